"""``robot-node doctor``: checks of a robot's broker, hardware and machine, each with cause and remedy.

It changes nothing. :mod:`robot_node.apps.doctor.examination` runs the checks, in the order in which things fail.
"""
