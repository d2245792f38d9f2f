"""A Hugging Face hub: resolve addresses, commits, gated and private repositories, a delivery network beside it.

with HuggingFaceHub() as hub:
    hub.add("ada/model", "unet.safetensors", Content.safetensors(10_000_000))     # cdn faults: faults=(Reset(…),)
    hub.add("ada/model", "config.json", Content.of("{}"), lfs=False)
    hub.gate("ada/model"); token = hub.account("bob"); hub.accept("ada/model", "bob"); hub.hide("ada/secret", "bob")
    hub.endpoint                       # HF_ENDPOINT;   hub.site / hub.cdn.host: the two servers and their requests
    hub.url("ada/model", "unet.safetensors")            # as on the endpoint
    hub.public_url("ada/model", "unet.safetensors")     # as people write it, on huggingface.co
    hub.commit("ada/model")            # a new commit with the same files; hub.add replaces a file in a new commit
    hub.cdn.expire()                   # every signed address handed out so far answers 403 from now on

Fixture: ``hugging_face``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import unquote

from tests.fakes.content import Content
from tests.fakes.exchange import Exchange, Reply, Seen, serve
from tests.fakes.faults import Fault
from tests.fakes.model_host import ModelHost
from tests.fakes.signed import SignedStore
from tests.secret_watch import secret


@dataclass
class _Repo:
    commits: dict[str, dict[str, Content]] = field(default_factory=dict[str, dict[str, Content]])
    head: str = ""
    tags: dict[str, str] = field(default_factory=dict[str, str])
    plain: set[str] = field(default_factory=set[str])  # paths that are not kept by LFS
    gated: bool = False
    disabled: bool = False
    private: bool = False
    allowed: set[str] = field(default_factory=set[str])
    moved_to: str | None = None


class HuggingFaceHub:
    """Serve repositories as huggingface.co does."""

    def __init__(self, *, tls: bool = False, lifetime_s: float = 3600) -> None:
        self.site = ModelHost(tls=tls)
        self.cdn = SignedStore(tls=tls, lifetime_s=lifetime_s)
        self.cafile = self.site.cafile
        self._repos: dict[str, _Repo] = {}
        self._accounts: dict[str, str] = {}
        self._weak_tokens: set[str] = set()
        self.site.handle("/", self._answer)
        self.site.handle("/api/whoami-v2", self._whoami)

    @property
    def endpoint(self) -> str:
        """The value of HF_ENDPOINT."""
        return self.site.origin

    def add(self, repo: str, path: str, content: Content, *, lfs: bool = True, faults: Sequence[Fault] = ()) -> str:
        """Put a file into a new commit of *repo*; return its address on the endpoint."""
        record = self._repos.setdefault(repo, _Repo())
        files = {**record.commits.get(record.head, {}), path: content}
        self._commit(record, repo, files)
        if lfs:
            self.cdn.put(f"/repos/{content.sha256}", content, *faults)
        else:
            record.plain.add(path)
        return self.url(repo, path)

    def commit(self, repo: str, tag: str | None = None) -> str:
        """Make a new commit with the same files, and a tag on it; return its id."""
        record = self._repos[repo]
        self._commit(record, repo, dict(record.commits[record.head]))
        if tag is not None:
            record.tags[tag] = record.head
        return record.head

    def head(self, repo: str) -> str:
        """Return the newest commit."""
        return self._repos[repo].head

    def url(self, repo: str, path: str, revision: str = "main", *, kind: str = "resolve") -> str:
        """Return the address on the endpoint; *kind* may be blob, the page for people."""
        return f"{self.endpoint}/{repo}/{kind}/{revision}/{path}"

    def public_url(self, repo: str, path: str, revision: str = "main", *, kind: str = "resolve") -> str:
        """Return the address as people copy it."""
        return f"https://huggingface.co/{repo}/{kind}/{revision}/{path}"

    def account(self, name: str, *, may_read_gated: bool = True) -> str:
        """Make an account and return its token; without the right, as a fine-grained token often lacks it."""
        token = secret(f"hub token of {name}", prefix="hf_")
        self._accounts[token] = name
        if not may_read_gated:
            self._weak_tokens.add(token)
        return token

    def revoke(self, token: str) -> None:
        """Make a token unknown."""
        del self._accounts[token]

    def gate(self, repo: str) -> None:
        """Ask everybody to accept terms first."""
        self._repos[repo].gated = True

    def accept(self, repo: str, name: str) -> None:
        """Let account *name* accept the terms of *repo*."""
        self._repos[repo].allowed.add(name)

    def hide(self, repo: str, *names: str) -> None:
        """Show *repo* to these accounts only."""
        self._repos[repo].private = True
        self._repos[repo].allowed.update(names)

    def disable(self, repo: str) -> None:
        """Refuse *repo* to everybody, as after a complaint."""
        self._repos[repo].disabled = True

    def rename(self, old: str, new: str) -> None:
        """Move *old* to *new*; its addresses redirect."""
        self._repos[new] = self._repos.pop(old)
        self._repos[old] = _Repo(moved_to=new)

    def close(self) -> None:
        """Stop both servers."""
        self.site.close()
        self.cdn.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_reason: object) -> None:
        self.close()

    def _commit(self, record: _Repo, repo: str, files: dict[str, Content]) -> None:
        record.head = hashlib.sha1(f"{repo}{len(record.commits)}".encode()).hexdigest()
        record.commits[record.head] = files

    def _whoami(self, exchange: Exchange) -> Reply:
        name = self._accounts.get(exchange.seen.token or "")
        if name is None:
            return Reply.text(401, '{"error":"Invalid username or password."}', "application/json")
        return Reply.text(200, json.dumps({"type": "user", "name": name}), "application/json")

    def _answer(self, exchange: Exchange) -> Reply:
        seen = exchange.seen
        route = unquote(seen.route)
        if route.startswith("/api/resolve-cache/models/"):
            return self._cached(seen, route.removeprefix("/api/resolve-cache/models/"))
        for kind in ("resolve", "blob", "raw"):
            repo, found, rest = route.strip("/").partition(f"/{kind}/")
            if found:
                break
        else:
            return Reply.text(404, "<!doctype html><html>Not found</html>", "text/html")
        if kind == "blob":
            return Reply.text(200, "<!doctype html><html>A page about a file</html>", "text/html")
        revision, _, path = rest.partition("/")
        if revision == "refs":
            name, _, path = path.partition("/")
            number, _, path = path.partition("/")
            revision = f"refs/{name}/{number}"
        record = self._repos.get(repo)
        if record is not None and record.moved_to:
            return Reply.redirect(f"/{record.moved_to}/resolve/{revision}/{path}", 307)
        return self._refusal(seen, repo, record) or self._file(seen, repo, record, revision, path)

    def _refusal(self, seen: Seen, repo: str, record: _Repo | None) -> Reply | None:
        name = self._accounts.get(seen.token or "")
        if seen.token is not None and name is None:
            return _error(401, None, "Invalid credentials in Authorization header")
        if record is None or (record.private and name not in record.allowed):
            if name is None:
                return _error(401, "RepoNotFound", "Invalid username or password.")
            return _error(404, "RepoNotFound", "Repository not found")
        if record.disabled:
            return _error(403, None, "Access to this resource is disabled.")
        if not record.gated:
            return None
        where = f"Access to model {repo} is restricted"
        if name is None:
            return _error(401, "GatedRepo", f"{where}. You must have access to it and be authenticated to access it.")
        if seen.token in self._weak_tokens:
            settings = "Please enable access to public gated repositories in your fine-grained token settings"
            return _error(403, "GatedRepo", f"{settings} to view this repository.")
        if name not in record.allowed:
            page = f"Visit https://huggingface.co/{repo} to ask for access."
            return _error(403, "GatedRepo", f"{where} and you are not in the authorized list. {page}")
        return None

    def _file(self, seen: Seen, repo: str, record: _Repo | None, revision: str, path: str) -> Reply:
        assert record is not None
        commit = record.head if revision == "main" else record.tags.get(revision, revision)
        if commit not in record.commits:
            return _error(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        content = record.commits[commit].get(path)
        if content is None:
            return _error(404, "EntryNotFound", "Entry not found", X_Repo_Commit=commit)
        if path not in record.plain:
            location = self.cdn.sign(f"/repos/{content.sha256}", response_content_disposition="attachment")
            return Reply.redirect(
                location,
                X_Repo_Commit=commit,
                X_Linked_Etag=f'"{content.sha256}"',
                X_Linked_Size=str(content.size),
                ETag=f'"{content.sha256}"',
                Accept_Ranges="bytes",
            )
        cache = f"/api/resolve-cache/models/{repo}/{commit}/{path}"
        return Reply.redirect(cache, 307, X_Repo_Commit=commit, ETag='"git-blob"')

    def _cached(self, seen: Seen, rest: str) -> Reply:
        """Serve a small file of a commit from the hub itself."""
        owner, name, commit, path = rest.split("/", 3)
        repo = f"{owner}/{name}"
        refused = self._refusal(seen, repo, self._repos.get(repo))
        if refused is not None:
            return refused
        reply = serve(seen, self._repos[repo].commits[commit][path])
        reply.headers["X-Repo-Commit"] = commit
        return reply


def _error(status: int, code: str | None, message: str, **headers: str) -> Reply:
    if code is not None:
        headers["X_Error_Code"] = code
    return Reply.text(status, message, X_Error_Message=message, **headers)
