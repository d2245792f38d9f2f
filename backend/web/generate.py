"""Make something: choose a workflow, fill it in, run it, watch it, look at what came out."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Annotated, cast
from urllib.parse import urlencode

from fastapi import APIRouter, Form
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from backend.auth import Identity
from backend.bootstrap import Services, owner_of
from backend.errors import JSON, HearthError
from backend.generation import NewGeneration, nodes_of
from backend.generation.job import Owner
from backend.generation.results import GalleryQuery, ItemShown
from backend.generation.shown import GenerationJob
from backend.generation.workflows.service import WorkflowQuery
from backend.web.answers import DOWNLOADS_CHANGED, Toast, done, is_htmx
from backend.web.contexts import Context, fields_of
from backend.web.errors import FileTooLarge, InvalidForm
from backend.web.generate_contexts import (
    Blank,
    GenerateForm,
    GeneratePage,
    GeneratePicker,
    GenerateStage,
    Trouble,
)
from backend.web.generate_form import MAX_FILE_BYTES, Inputs, as_sent, blanks_of, values_of
from backend.web.generate_sizes import sizes_of
from backend.web.identity import Keeper, Maker, ServicesDep, Visitor
from backend.web.rendering import is_for, render, render_template
from backend.web.words import hint_for_people

router = APIRouter(prefix="/generate", include_in_schema=False)

GENERATIONS_CHANGED = "hearth:generations"
_MOST_WORKFLOWS = 60
_MOST_FIELDS, _MOST_FILES = 500, 16
_MOST_TEXT = 4 * 1024**2
_LATEST = 12
_MOST_QUEUED = 20


@dataclass(slots=True)
class _Sent:
    """What came with the form, as far as it was read; ``is_correction``: after something was said to be wrong."""

    workflow_id: str
    takes: str
    is_correction: bool
    inputs: Inputs = ()
    values: Mapping[str, JSON] = field(default_factory=dict[str, JSON])

    def request(self) -> NewGeneration:
        """Return the job that is asked for.

        Raises:
            InvalidForm: The number of takes is none.
        """
        inputs = as_sent(self.values, self.inputs)
        return NewGeneration(workflow_id=self.workflow_id, inputs=inputs, n=_count(self.takes), source="web")


@router.get("")
async def show_generate(request: Request, services: ServicesDep, who: Visitor) -> Response:
    """Show the workflows, or the form of one, beside the stage."""
    asked = request.query_params
    owner = owner_of(who)
    picture = await _picture(services, owner, asked.get("image", ""))
    if is_for(request, "generate-picker"):
        return await render(request, services, who, await _picker(services, asked.get("q", ""), picture))
    job_id, source_id = asked.get("job", ""), asked.get("from", "")
    stage = await _stage(services, owner, job_id)
    source = await services.generation.get(source_id, owner) if source_id else None
    workflow_id = asked.get("workflow", "") or (source.workflow_id or "" if source else "")
    before = source or (stage.job if job_id else None)
    form = await _form(services, workflow_id, before, with_seed=source is not None, picture=picture)
    form = _with_seed(form, asked.get("seed", ""))
    if is_for(request, "generate-form"):
        return await render(request, services, who, form)
    picker = (
        GeneratePicker((), 0, "", picture) if form.workflow else await _picker(services, asked.get("q", ""), picture)
    )
    return await render(request, services, who, _page(form, stage, picker))


@router.get("/stage")
async def show_stage(request: Request, services: ServicesDep, who: Visitor, job: str = "") -> Response:
    """Show the job that is looked at as it is now."""
    return await render(request, services, who, await _stage(services, owner_of(who), job))


@router.post("")
async def generate(request: Request, services: ServicesDep, who: Maker) -> Response:
    """Queue what the form asks for; one that is refused comes back with the reasons and everything that was typed."""
    owner = owner_of(who)
    async with request.form(max_files=_MOST_FILES, max_fields=_MOST_FIELDS, max_part_size=_MOST_TEXT) as form:
        sent = _Sent(_text(form, "workflow"), _text(form, "n") or "1", is_correction=bool(_text(form, "corrects")))
        sent.inputs = (await services.workflow_desk.detail(sent.workflow_id)).inputs or []
        try:
            sent.values = await values_of(form, sent.inputs, services.uploads, lambda id_: _use(services, owner, id_))
            job = await services.generation.submit(sent.request(), owner)
        except HearthError as error:
            return await _refused(request, services, who, error, sent)
    return await _queued(request, services, owner, job, sent)


@router.post("/again")
async def generate_again(services: ServicesDep, who: Maker, result: Annotated[str, Form()] = "") -> Response:
    """Queue the graph that made a result, as it ran."""
    owner = owner_of(who)
    made = await services.results.gallery.request(result, owner, exact=True)
    new = NewGeneration(
        prompt=cast("Mapping[str, JSON]", made["prompt"]),
        title=cast("str", made.get("title") or "") or None,
        source="web",
    )
    job = await services.generation.submit(new, owner)
    return RedirectResponse(_address(job), status_code=303)


@router.post("/get")
async def get_missing(
    request: Request, services: ServicesDep, _who: Keeper, workflow: Annotated[str, Form()] = ""
) -> Response:
    """Queue every file that a workflow lacks."""
    queued = await services.workflow_desk.needs.download(workflow)
    taken = sum(each.job is not None for each in queued)
    refused = [str(each.error["message"]) for each in queued if each.error is not None]
    toast = Toast(
        f"{taken} download{'' if taken == 1 else 's'} in the queue",
        tone="warning" if refused else "success",
        icon="download",
        detail=" ".join(refused[:3]),
    )
    return await done(request, to="/downloads", events=(DOWNLOADS_CHANGED,), toast=toast)


@router.post("/{job_id}/cancel")
async def cancel(request: Request, services: ServicesDep, who: Maker, job_id: str) -> Response:
    """Cancel a job; one that runs stops at its next step."""
    job = await services.generation.cancel(job_id, owner_of(who))
    return await done(request, to=_address(job), events=(GENERATIONS_CHANGED,))


@router.post("/{job_id}/retry")
async def retry(request: Request, services: ServicesDep, who: Maker, job_id: str) -> Response:
    """Queue a job again that failed or was cancelled."""
    job = await services.generation.retry(job_id, owner_of(who))
    return await done(request, to=_address(job), events=(GENERATIONS_CHANGED,))


async def _stage(services: Services, owner: Owner, job_id: str) -> GenerateStage:
    unfinished = services.generation.unfinished(owner)
    job: GenerationJob | None = None
    if job_id:
        job = await services.generation.get(job_id, owner)
    elif unfinished:
        job = next((each for each in unfinished if each.state == "running"), unfinished[0])
    latest = await services.results.gallery.page(GalleryQuery(), owner, None, _LATEST)
    is_running = job is not None and job.state == "running"
    return GenerateStage(
        job=job,
        nodes=nodes_of(await services.generation.record(job.id, owner)) if job is not None and is_running else (),
        waiting=[each for each in unfinished if job is None or each.id != job.id][:_MOST_QUEUED],
        latest=latest.items,
        here=f"/generate/stage?job={job.id}" if job else "/generate/stage",
        can_generate=bool(services.generation.backends()),
    )


async def _picker(services: Services, q: str, picture: ItemShown | None) -> GeneratePicker:
    words = tuple(q.casefold().split())
    page = await services.workflow_desk.page(WorkflowQuery(words=words, limit=_MOST_WORKFLOWS))
    return GeneratePicker(page.items, page.total, q, picture)


async def _form(
    services: Services,
    workflow_id: str,
    before: GenerationJob | None,
    *,
    with_seed: bool,
    picture: ItemShown | None = None,
) -> GenerateForm:
    if not workflow_id:
        return GenerateForm(None, (), None, "1", None, None, picture)
    detail = await services.workflow_desk.detail(workflow_id)
    inputs: Inputs = detail.inputs or []
    missing = detail.missing
    needs = None
    if missing is not None and (missing.nodes or missing.models):
        needs = await services.workflow_desk.needs.show(workflow_id)
    return GenerateForm(
        workflow=detail.workflow,
        blanks=blanks_of(
            inputs, _before(inputs, before, workflow_id, with_seed=with_seed), {}, picture.id if picture else ""
        ),
        sizes=sizes_of(inputs),
        takes=str(before.n) if before is not None and before.workflow_id == workflow_id else "1",
        needs=needs,
        trouble=_told(detail.problem) if detail.problem else None,
        picture=picture,
    )


def _with_seed(form: GenerateForm, seed: str) -> GenerateForm:
    """Put the seed of one take into the form, to make that take alone."""
    if not seed.isdecimal():
        return form
    blanks = [replace(blank, value=seed) if blank.control == "seed" else blank for blank in form.blanks]
    return replace(form, blanks=blanks, takes="1")


async def _picture(services: Services, owner: Owner, item_id: str) -> ItemShown | None:
    return (await services.results.gallery.detail(item_id, owner)).item if item_id else None


async def _use(services: Services, owner: Owner, item_id: str) -> str:
    """Keep the picture of a result as an input."""
    found = await services.results.gallery.file(item_id, owner)
    if found.size_bytes > MAX_FILE_BYTES:
        raise FileTooLarge(f"{found.item.name[:80]} is larger than {MAX_FILE_BYTES >> 20} MiB.")
    return await services.uploads.keep(await asyncio.to_thread(found.path.read_bytes), found.path.suffix[1:])


def _before(inputs: Inputs, job: GenerationJob | None, workflow_id: str, *, with_seed: bool) -> dict[str, JSON]:
    """Return what a job was made with, as far as it fits; its seed only where the same result is wanted."""
    if job is None or job.workflow_id != workflow_id:
        return {}
    kinds = {field["name"]: field["kind"] for field in inputs}
    return {
        name: cast("JSON", value)
        for name, value in job.inputs.items()
        if name in kinds and (with_seed or kinds[name] != "seed")
    }


async def _queued(request: Request, services: Services, owner: Owner, job: GenerationJob, sent: _Sent) -> Response:
    if not is_htmx(request):
        return RedirectResponse(_address(job), status_code=303)
    html = await _part(await _stage(services, owner, job.id), "generate-stage")
    if sent.is_correction:  # what was said to be wrong must not stay
        html += await _part(await _form_again(services, sent, {}, None), "generate-form")
    return HTMLResponse(html, headers={"HX-Replace-Url": _address(job), "Cache-Control": "no-store"})


async def _refused(request: Request, services: Services, who: Identity, error: HearthError, sent: _Sent) -> Response:
    told = error.details.get("fields")
    problems = {name: str(reason) for name, reason in told.items()} if isinstance(told, Mapping) else {}
    trouble = Trouble("A field cannot be used.", "") if problems else Trouble(error.message, hint_for_people(error))
    form = await _form_again(services, sent, problems, trouble)
    if is_htmx(request):
        return HTMLResponse(await _part(form, "generate-form"), error.status, {"Cache-Control": "no-store"})
    stage = await _stage(services, owner_of(who), "")
    page = _page(form, stage, GeneratePicker((), 0, "", None))
    return await render(request, services, who, page, status=error.status)


def _page(form: GenerateForm, stage: GenerateStage, picker: GeneratePicker) -> GeneratePage:
    return GeneratePage(**{**fields_of(form), **fields_of(stage), **fields_of(picker)})


async def _form_again(
    services: Services, sent: _Sent, problems: Mapping[str, str], trouble: Trouble | None
) -> GenerateForm:
    """Show the form with what was sent in it."""
    form = await _form(services, sent.workflow_id, None, with_seed=False)
    blanks: list[Blank] = blanks_of(sent.inputs, sent.values, problems)
    return replace(form, blanks=blanks, takes=sent.takes, trouble=trouble)


async def _part(context: Context, element_id: str) -> str:
    """Render a part that htmx puts in the place of the element of this id, whatever the request was aimed at."""
    values = {each.name: getattr(context, each.name) for each in fields(cast("GenerateForm", context))}
    html = await render_template(context.template, values)
    return f'<hx-partial hx-target="#{element_id}" hx-swap="outerMorph">{html}</hx-partial>'


def _address(job: GenerationJob) -> str:
    told = {"workflow": job.workflow_id, "job": job.id} if job.workflow_id else {"job": job.id}
    return f"/generate?{urlencode(told)}"


def _told(problem: Mapping[str, JSON]) -> Trouble:
    hint = str(problem.get("hint") or "")
    return Trouble(str(problem["message"]), "" if "/api/" in hint else hint)


def _count(takes: str) -> int:
    try:
        return int(takes)
    except ValueError:
        raise InvalidForm("The number of takes must be a whole number.") from None


def _text(form: FormData, name: str) -> str:
    value = form.get(name)
    return value if isinstance(value, str) else ""
