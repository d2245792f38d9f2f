"""The manager keeps catalogue, disk, queue and listeners in step."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from typing import Any

import pytest

from backend.errors import HearthError
from backend.events import Event, Subscription
from backend.logs import configure_logs
from backend.presets import PresetManager, PresetQuery, Status
from backend.presets.bundle import Bundle
from backend.presets.errors import (
    InvalidPreset,
    NothingToRestore,
    PresetBusy,
    PresetExists,
    PresetNotFound,
    PresetRetired,
    PresetShipped,
    VerificationNotFound,
)
from backend.presets.schema import check_aliases, check_preset
from tests.presets.shelf import HOST, Job, Shelf, definition, file, names, sha256, weights, write_catalog

pytestmark = pytest.mark.anyio

GOOD = weights(b"good")
DEADLINE_S = 20


@pytest.fixture
def shelf(shelf: Shelf) -> Shelf:
    """Presets a (one file, promised) and b (shares a vae), one retired id."""
    return shelf.ship(
        definition("a", file("a.safetensors", content=GOOD), file("vae.safetensors", "vae"), aliases=["OLD_A"]),
        definition("b", file("vae.safetensors", "vae"), category="video"),
        version="2026.1",
        retired={"OLD_B": {"reason": "Its files are gone.", "successor": "b"}},
    )


async def put(shelf: Shelf, *places: str) -> None:
    for place in places:
        directory, name = place.split("/")
        await asyncio.to_thread(shelf.put, name, GOOD, directory)
    shelf.notice()


async def heard(subscription: Subscription, until: Callable[[Event], bool]) -> list[Event]:
    """Collect events until one is the awaited one."""
    events: list[Event] = []
    async with asyncio.timeout(DEADLINE_S):
        while not any(until(event) for event in events):
            events += [numbered.event for numbered in await subscription.next()]
    return events


async def wait_for(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not condition():
            await asyncio.sleep(0.005)


async def status(manager: PresetManager, preset_id: str = "a") -> Status:
    return (await manager.status(preset_id)).status


async def test_a_preset_is_shown_whole(shelf: Shelf, manager: PresetManager):
    """Detail and status agree with the list, under every name of the preset."""
    await put(shelf, "vae/vae.safetensors")
    shown = await manager.view("old_a")
    assert (shown.id, shown.status, shown.files_total, shown.files_present) == ("a", Status.PARTIAL, 2, 1)
    assert (shown.files[1].status, shown.files[1].shared_with) == (Status.INSTALLED_UNVERIFIED, ("b",))
    assert shown.files[1].path == str(shelf.models / "vae" / "vae.safetensors")
    assert shown.bytes_missing == len(GOOD)
    page = await manager.list_page(PresetQuery())
    assert [each.status for each in page.items] == [Status.PARTIAL, Status.INSTALLED_UNVERIFIED]
    assert json.loads((await manager.list_encoded(PresetQuery())).body)["items"][0]["id"] == "a"
    counts = {each.id: (each.count, each.installed) for each in (await manager.categories()).items}
    assert (counts["image"], counts["video"], counts["3d"]) == ((1, 0), (1, 1), (0, 0))


async def test_the_same_question_is_answered_from_memory(shelf: Shelf, manager: PresetManager):
    """Until something changes the very same bytes go out."""
    first = await manager.list_encoded(PresetQuery())
    assert await manager.list_encoded(PresetQuery()) is first
    await manager.download("a")
    second = await manager.list_encoded(PresetQuery())
    assert second.etag != first.etag
    assert json.loads(second.body)["items"][0]["download"] == {
        "id": "job-1", "state": "downloading", "progress_ratio": 0.5,
    }  # fmt: skip


async def test_downloads_go_by_the_real_id(shelf: Shelf, manager: PresetManager):
    """An older name queues its successor; given-up and unknown ids are refused with the reason."""
    assert (await manager.download("OLD_A")).id == (await manager.download("a")).id
    assert shelf.queue.asked == ["a", "a"]
    with pytest.raises(PresetRetired):
        await manager.download("OLD_B")
    with pytest.raises(PresetNotFound):
        await manager.download("nobody")
    assert manager.files_of("OLD_A").id == "a"


async def test_a_bulk_download_answers_for_each_id(shelf: Shelf, manager: PresetManager):
    """One refusal stops no other, and an id asked twice is queued once."""
    shelf.queue.refusals["b"] = HearthError("No room.")
    answers = await manager.download_many(["OLD_A", "b", "OLD_B", "OLD_A"])
    assert [(each.id, each.job is not None) for each in answers] == [("OLD_A", True), ("b", False), ("OLD_B", False)]
    assert [each.error.code if each.error else None for each in answers] == [None, "internal_error", "preset_retired"]


async def test_listeners_hear_of_each_new_status_at_once(shelf: Shelf, manager: PresetManager):
    """The end of a download is told without anybody asking for the list."""
    assert await status(manager) is Status.ABSENT
    with shelf.hub.subscribe(("presets",)) as subscription:
        await manager.download("a")
        shelf.hub.publish(Event("downloads", "download.changed", "job-1", {}))
        (event,) = await heard(subscription, lambda event: event.key == "a")
        assert (event.type, dict(event.data)) == ("preset.changed", {"id": "a", "status": "downloading"})
        await put(shelf, "checkpoints/a.safetensors", "vae/vae.safetensors")
        shelf.queue.end("a")
        shelf.hub.publish(Event("downloads", "download.changed", "job-1", {}))
        events = await heard(subscription, lambda event: event.key == "b")
    assert {event.key: event.data["status"] for event in events} == {
        "a": "installed-unverified", "b": "installed-unverified",
    }  # fmt: skip


async def test_a_failing_disk_does_not_end_the_watch(
    shelf: Shelf, manager: PresetManager, monkeypatch: pytest.MonkeyPatch
):
    """After an error of the disk, the next change is told again."""
    await manager.status("a")
    failed = threading.Event()

    def fail(*_: object) -> None:
        failed.set()
        raise OSError(5, "Input/output error")

    with shelf.hub.subscribe(("presets",)) as subscription, monkeypatch.context() as patch:
        patch.setattr(manager._keeper._disk, "refresh", fail)
        await manager.download("a")
        shelf.hub.publish(Event("downloads", "download.changed", "job-1", {}))
        assert await asyncio.to_thread(failed.wait, DEADLINE_S)
        patch.undo()
        shelf.hub.publish(Event("downloads", "download.changed", "job-1", {}))
        assert (await heard(subscription, lambda event: event.key == "a"))[0].data["status"] == "downloading"


async def test_a_check_ends_in_a_new_status(shelf: Shelf, manager: PresetManager):
    """Verified files make an installed preset, which survives a restart; listeners see the progress and its end."""
    await put(shelf, "checkpoints/a.safetensors", "vae/vae.safetensors")
    shelf.promises[f"{HOST}/vae.safetensors"] = sha256(GOOD)
    with shelf.hub.subscribe(("presets",)) as subscription:
        check = await manager.verify("old_a", wait=True)
        events = await heard(subscription, lambda event: event.type == "verification.progress" and event.lasting)
    assert check.state == "completed"
    assert [(each.name, each.outcome, each.status) for each in check.files] == [
        ("a.safetensors", "matches", Status.INSTALLED),
        ("vae.safetensors", "matches", Status.INSTALLED),
    ]
    assert await status(manager) is Status.INSTALLED
    assert events[-1].data["progress_ratio"] == 1.0
    assert (await manager.verification("a")).id == check.id
    again = shelf.manager()
    await again.start()
    assert (await again.status("b")).status is Status.INSTALLED
    await again.close()


async def test_damage_against_the_hosts_promise_survives_a_restart(shelf: Shelf, manager: PresetManager):
    """A file that is not what its host promised is damaged, also after the next start, without asking again."""
    await put(shelf, "vae/vae.safetensors")
    shelf.promises[f"{HOST}/vae.safetensors"] = "0" * 64
    check = await manager.verify("b", wait=True)
    assert [(each.outcome, each.status) for each in check.files] == [("differs", Status.DAMAGED)]
    shelf.promises.clear()
    again = shelf.manager()
    await again.start()
    assert (await again.status("b")).status is Status.DAMAGED
    await again.close()


async def test_a_check_works_without_its_host(shelf: Shelf, manager: PresetManager):
    """Offline, a file without a checksum is recorded, and the promise that was heard before still counts."""
    await put(shelf, "vae/vae.safetensors")
    assert [each.outcome for each in (await manager.verify("b", wait=True)).files] == ["recorded"]
    shelf.promises[f"{HOST}/vae.safetensors"] = sha256(GOOD)
    await manager.verify("b", wait=True)

    async def unreachable(_url: str) -> str | None:
        raise HearthError("No network.")

    manager._checks._ask_host = unreachable
    assert [each.outcome for each in (await manager.verify("b", wait=True)).files] == ["matches"]


async def test_a_check_can_be_followed_and_stopped(shelf: Shelf, manager: PresetManager):
    """Who asked without waiting sees where it stands; what never ran is said so."""
    with pytest.raises(VerificationNotFound):
        await manager.verification("a")
    with pytest.raises(VerificationNotFound):
        await manager.cancel_verification("a")
    await put(shelf, "checkpoints/a.safetensors")
    begun = await manager.verify("a")
    assert begun.state in ("queued", "running")
    stopped = await manager.cancel_verification("a")
    assert (stopped.id, stopped.state) == (begun.id, "cancelled")
    assert (await manager.cancel_verification("a")).id == begun.id


async def test_removing_says_what_stays_and_can_be_undone(shelf: Shelf, manager: PresetManager):
    """A dry run changes nothing; the removal spares the shared file; the undo brings the rest back, verified as before."""
    await put(shelf, "checkpoints/a.safetensors", "vae/vae.safetensors")
    await manager.verify("a", wait=True)
    planned = await manager.delete("OLD_A", dry_run=True)
    assert (planned.dry_run, planned.removal_id, names(each.path for each in planned.files)) == (
        True, None, ["a.safetensors"],
    )  # fmt: skip
    assert [(each.path.name, each.needed_by) for each in planned.kept] == [("vae.safetensors", ("b",))]
    assert (await manager.view("a")).files[0].status is Status.INSTALLED
    with shelf.hub.subscribe(("presets",)) as subscription:
        done = await manager.delete("a")
        await heard(subscription, lambda event: event.key == "a" and event.data["status"] == "partial")
    assert done.bytes_freed == len(GOOD)
    assert await status(manager) is Status.PARTIAL
    restored = await manager.restore("old_a", done.removal_id)
    assert names(restored.paths) == ["a.safetensors"]
    assert (await manager.view("a")).files[0].status is Status.INSTALLED
    with pytest.raises(NothingToRestore):
        await manager.restore("a")
    with pytest.raises(PresetNotFound):
        await manager.restore("nobody")


async def test_nothing_is_removed_while_it_is_downloaded(shelf: Shelf, manager: PresetManager):
    """The refusal names the job to cancel."""
    await put(shelf, "checkpoints/a.safetensors")
    job = await manager.download("a")
    for attempt in (manager.delete("a"), manager.delete("a", dry_run=True), manager.restore("a")):
        with pytest.raises(PresetBusy) as caught:
            await attempt
        assert caught.value.details["download_id"] == job.id
    assert await asyncio.to_thread((shelf.models / "checkpoints" / "a.safetensors").exists)


async def test_unfinished_bytes_go_with_the_preset(shelf: Shelf, manager: PresetManager):
    """What a cancelled download left is deleted, it cannot be restored anyway."""
    await put(shelf, "checkpoints/a.safetensors.part")
    assert await status(manager) is Status.PARTIAL
    removal = await manager.delete("a")
    assert (names(removal.partials), removal.removal_id) == (["a.safetensors"], None)
    assert await status(manager) is Status.ABSENT


async def test_own_presets_are_made_changed_and_removed(shelf: Shelf, manager: PresetManager):
    """Create, refuse a second of the same id, replace, override a shipped one, remove with the definition."""
    with shelf.hub.subscribe(("presets",)) as subscription:
        made = await manager.create(check_preset(definition("mine")))
        events = await heard(subscription, lambda event: event.type == "catalog.updated")
    assert events[-1].data["added"] == ["mine"]
    assert (made.origin, made.status) == ("user", Status.ABSENT)
    with pytest.raises(PresetExists):
        await manager.create(check_preset(definition("a")))
    with pytest.raises(InvalidPreset, match="id"):
        await manager.replace("a", check_preset(definition("mine")))
    with pytest.raises(InvalidPreset, match=r"files\.0"):
        await manager.create(check_preset(definition("other", file("x.bin", "martian"))))
    with pytest.raises(PresetNotFound):
        await manager.replace("nobody", check_preset(definition("nobody")))
    assert (await manager.replace("OLD_A", check_preset(definition("a", name="Mine")))).name == "Mine"
    assert (await manager.delete("a", definition=True)).definition_removed
    assert (await manager.view("a")).origin == "shipped"
    with pytest.raises(PresetShipped):
        await manager.delete("a", definition=True)


async def test_files_come_back_even_when_the_definition_is_gone(shelf: Shelf, manager: PresetManager):
    """An undo needs the id only."""
    await manager.create(check_preset(definition("mine")))
    await put(shelf, "checkpoints/mine.safetensors")
    await manager.delete("mine", definition=True)
    with pytest.raises(PresetNotFound):
        await manager.view("mine")
    assert names((await manager.restore("mine")).paths) == ["mine.safetensors"]


async def test_an_update_is_told(shelf: Shelf):
    """The report, the event and the list agree."""
    bundle = Bundle([check_preset(definition("b", name="Better")), check_preset(definition("n"))],
                    check_aliases({"version": "2026.2"}))  # fmt: skip
    shelf.catalog_url = f"{HOST}/catalog.json"
    shelf.served[shelf.catalog_url] = bundle.to_json()
    manager = shelf.manager()
    await manager.start()
    with shelf.hub.subscribe(("presets",)) as subscription:
        report = await manager.update()
        events = await heard(subscription, lambda event: event.type == "catalog.updated")
    assert dict(events[-1].data) == {
        "version": "2026.2", "added": ["n"], "changed": ["b"], "removed": ["a"],
    }  # fmt: skip
    assert report.added == ("n",)
    assert [each.name for each in (await manager.list_page(PresetQuery())).items] == ["Better", "N"]
    await manager.close()


async def test_presets_of_the_environment_are_queued_once(shelf: Shelf, capsys: pytest.CaptureFixture[str]):
    """Installed ones are left alone, bad ones are warnings that say why, and the start does not wait."""
    configure_logs("info", "json")
    await put(shelf, "vae/vae.safetensors")
    shelf.queue.refusals["refused"] = HearthError("No room.")
    await asyncio.to_thread(write_catalog, shelf.user, definition("refused"))
    manager = shelf.manager()
    await manager.start()
    manager.queue_at_start(["OLD_A", "b", "OLD_B", "nobody", "refused", "OLD_A", "a"])
    assert shelf.queue.asked == [], "it returned before anything was asked for"
    await wait_for(lambda: not any(task.get_name() == "preset-startup" for task in asyncio.all_tasks()))
    await manager.close()
    assert shelf.queue.asked == ["a", "refused", "a"], "the queue itself makes the second a no second job"
    assert len(shelf.queue.active) == 1
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    skipped = {line["preset_id"]: line["reason"] for line in lines if line["event"] == "startup_preset_skipped"}
    assert "Its files are gone." in skipped["OLD_B"]
    assert "nobody" in skipped["nobody"]
    assert skipped["refused"] == "No room."


async def test_a_bad_definition_is_a_warning_at_start(shelf: Shelf, capsys: pytest.CaptureFixture[str]):
    """Hearth starts, and says which file it left out."""
    configure_logs("info", "json")

    def spoil() -> None:
        shelf.user.mkdir(parents=True)
        (shelf.user / "broken.json").write_text("{")

    await asyncio.to_thread(spoil)
    manager = shelf.manager()
    await manager.start()
    await manager.close()
    assert "broken.json" in capsys.readouterr().err


async def test_closing_leaves_nothing_behind(shelf: Shelf, manager: PresetManager):
    """No task and no thread of the manager survives it, whatever was going on."""
    await put(shelf, "checkpoints/a.safetensors", "vae/vae.safetensors")
    await manager.verify("a")
    shelf.queue.active["b"] = Job("j", "b")
    shelf.queue.changes += 1
    asking = asyncio.create_task(manager.list_page(PresetQuery()))
    await manager.close()
    await asking
    left = [task.get_name() for task in asyncio.all_tasks() if task.get_name().startswith(("preset", "verify"))]
    assert left == []
    assert all("verif" not in thread.name for thread in threading.enumerate())


@pytest.mark.parametrize("method", ["view", "status", "verify", "delete"])
async def test_every_door_tells_given_up_ids_apart(manager: PresetManager, method: str):
    """Retired and unknown ids have different answers everywhere."""
    call: Callable[[str], Any] = getattr(manager, method)
    with pytest.raises(PresetRetired, match="gone"):
        await call("old_b")
    with pytest.raises(PresetNotFound):
        await call("nobody")
