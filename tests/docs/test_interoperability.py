"""The page of the programs that robot-node was tried with, against the tests that it is made from."""

from __future__ import annotations

from scripts.reference.interoperability import KINDS, TESTS, cases, peers


def test_every_peer_has_a_case_and_every_case_a_peer() -> None:
    known, found = peers(), cases()
    assert {case.peer for case in found} == set(known)
    assert {peer.kind for peer in known.values()} <= set(KINDS)
    assert all(case.works and case.since for case in found)


def test_no_mark_is_overlooked() -> None:
    marks = sum(file.read_text().count("pytest.mark.peer(") for file in TESTS.rglob("test_*.py"))
    assert len(cases()) == marks - 1  # that in the line above
