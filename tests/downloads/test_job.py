"""A job is what its files make it, and files move only where the lifecycle lets them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.downloads import steering
from backend.downloads.address import keeps_a_secret, same_address, shown_url
from backend.downloads.errors import IllegalDownloadState
from backend.downloads.job import ENDED, LIFECYCLE, DownloadState, Job, JobFile, JobKind
from backend.kit.clock import utc_now
from backend.kit.lifecycle import IllegalTransition

S = DownloadState


def job(*states: DownloadState, rank: int = 1, priority: int = 0, name: str = "job") -> Job:
    files = tuple(
        JobFile(f"{name}-{number}", "loras", f"{number}.bin", "https://a.test/x", state=state)
        for number, state in enumerate(states)
    )
    return Job(name, JobKind.PRESET, name, "preset", files, utc_now(), rank=rank, priority=priority)


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ((S.COMPLETED, S.DOWNLOADING, S.FAILED), S.DOWNLOADING),
        ((S.COMPLETED, S.FAILED), S.FAILED),
        ((S.FAILED, S.QUEUED), S.QUEUED),
        ((S.BLOCKED, S.COMPLETED), S.BLOCKED),
        ((S.BLOCKED, S.DOWNLOADING), S.DOWNLOADING),
        ((S.PAUSED, S.FAILED), S.PAUSED),
        ((S.CANCELLED, S.COMPLETED), S.CANCELLED),
        ((S.COMPLETED, S.COMPLETED), S.COMPLETED),
    ],
)
def test_a_job_is_what_its_files_make_it(states, expected) -> None:
    """What runs comes first, then what waits, then what needs somebody, then how it ended."""
    assert job(*states).state is expected


@given(st.sampled_from(S), st.sampled_from(S))
def test_only_legal_moves_are_made(old: DownloadState, new: DownloadState) -> None:
    """A move that the lifecycle does not know raises, and nothing ended starts to run without being queued."""
    file = job(old).files[0]
    if LIFECYCLE.allows(old, new):
        assert file.moved(new).state is new
    else:
        with pytest.raises(IllegalTransition):
            file.moved(new)
    if old in ENDED and old is not new:
        assert not LIFECYCLE.allows(old, S.DOWNLOADING)


@given(st.lists(st.sampled_from(S), min_size=1, max_size=4))
def test_commands_change_a_job_or_refuse_in_words(states: list[DownloadState]) -> None:
    """No command meets a state that it has no answer for."""
    subject = job(*states)
    placed = {file.id: file for file in subject.files}
    for command in (
        lambda: steering.paused(subject, lambda _: {}),
        lambda: steering.cancelled(subject, lambda _: {}),
        lambda: steering.resumed(subject),
        lambda: steering.retried(subject, placed),
        lambda: steering.woken(subject, "host"),
    ):
        try:
            changed = command()
        except IllegalDownloadState as error:
            refused = error.details["state"]
        else:
            refused = subject.state
            assert changed is subject or changed.ended == (changed.finished_at is not None)
        assert refused == subject.state


def test_a_retry_queues_only_what_is_not_there() -> None:
    """Completed files stay, unless they have been removed since."""
    failed = job(S.COMPLETED, S.FAILED, S.COMPLETED)
    there, _, gone = failed.files
    placed = {file.id: file for file in failed.files} | {there.id: there.moved(S.COMPLETED, path="there")}
    again = steering.retried(failed, placed)
    assert [file.state for file in again.files] == [S.COMPLETED, S.QUEUED, S.QUEUED]
    assert again.finished_at is None
    assert gone.id == again.files[2].id


@given(st.lists(st.integers(0, 2), min_size=1, max_size=7), st.data())
def test_a_moved_job_lands_where_it_was_put(priorities: list[int], data: st.DataObject) -> None:
    """Its place is the one asked for, whatever the priorities; the others keep their order."""
    queue = sorted(
        (job(S.QUEUED, rank=rank, priority=p, name=f"job{rank}") for rank, p in enumerate(priorities)),
        key=lambda one: one.order,
    )
    subject = data.draw(st.sampled_from(queue))
    position = data.draw(st.integers(0, len(queue) + 2))
    changed = {one.id: one for one in steering.moved(queue, subject, position)}
    after = sorted((changed.get(one.id, one) for one in queue), key=lambda one: one.order)

    assert [one.id for one in after].index(subject.id) == min(position, len(queue) - 1)
    assert [one.id for one in after if one.id != subject.id] == [one.id for one in queue if one.id != subject.id]


def test_an_address_is_shown_without_what_signs_it() -> None:
    """Signatures are masked; an address without any is left as it was typed."""
    signed = "https://cdn.test/m.safetensors?X-Amz-Signature=abcdef123456&part=1"
    assert keeps_a_secret(signed)
    assert "abcdef123456" not in shown_url(signed)
    assert shown_url("https://a.test/x%20y?b=%C3%A9") == "https://a.test/x%20y?b=%C3%A9"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("https://huggingface.co/a/b/resolve/main/c", "https://mirror.test/a/b/resolve/0123abc/c?download=true", True),
        ("https://huggingface.co/a/b/resolve/main/c", "https://huggingface.co/a/b/resolve/main/d", False),
        ("https://one.test/m.bin", "https://two.test/m.bin", False),
        ("https://one.test/m.bin?X-Amz-Signature=1", "https://one.test/m.bin?X-Amz-Signature=2", True),
        ("https://civitai.com/api/download/models/1?type=Model", "https://civitai.com/api/download/models/1", False),
    ],
)
def test_addresses_of_one_file_are_recognised(one: str, other: str, same: bool) -> None:
    """Mirrors of a hub, revisions and signatures do not make another file; hosts, paths and queries do."""
    assert same_address(one, other) is same
