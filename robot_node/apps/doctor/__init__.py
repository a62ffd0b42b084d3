"""``robot-node doctor``: what is wrong with a robot's broker, hardware and machine, why it matters, what to do.

It changes nothing. :mod:`robot_node.apps.doctor.examination` runs the checks, in the order in which things fail.
"""
