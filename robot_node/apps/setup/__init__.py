"""``robot-node setup``: install and uninstall robot-node as a systemd service.

Questions (:mod:`.questions`) give answers (:mod:`.answers`); from these and the state of the machine (:mod:`.survey`)
follows a list of actions (:mod:`.plan`, pure), which is then executed (:mod:`.executor`).
"""
