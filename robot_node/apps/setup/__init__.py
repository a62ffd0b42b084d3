"""``robot-node setup``: makes a service of robot-node on this machine, and takes it away again.

Questions (:mod:`.questions`) lead to answers (:mod:`.answers`), these and what is there already (:mod:`.survey`) to a
list of actions (:mod:`.plan`, pure), and these are carried out (:mod:`.doing`).
"""
