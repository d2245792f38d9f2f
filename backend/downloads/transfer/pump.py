"""libcurl's multi interface on a thread of its own, driven by epoll; every call into libcurl happens there."""

from __future__ import annotations

import asyncio
import os
import select
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pycurl

from backend.downloads.transfer.request import Request
from backend.downloads.transfer.throttle import Throttle
from backend.kit.clock import monotonic_s
from backend.logs import get_logger

_IDLE_CONNECTIONS = 64
_IDLE_WAIT_S = 1.0
_PAUSED_WAIT_S = 0.005
_WATCH_EVERY_S = 0.1
_EVENTS = 64
_log = get_logger(__name__)


class Pump:
    """Run requests until they end or are stopped.

    Args:
        stall_timeout_s: Without a byte for that long a request ends; pauses of our own do not count.
    """

    def __init__(self, throttle: Throttle, stall_timeout_s: float) -> None:
        self._throttle = throttle
        self._stall_timeout_s = stall_timeout_s
        self._multi: Any = pycurl.CurlMulti()
        self._epoll = select.epoll()
        self._bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._epoll.register(self._bell, select.EPOLLIN)
        self._sockets: set[int] = set()
        self._calls: deque[Callable[[], None]] = deque()
        self._running: set[Request] = set()
        self._paused: set[Request] = set()
        self._timer_at: float | None = None
        self._watched_at = 0.0
        self._ending = False
        self.waited_s = 0.0  # for the line; not while everything is paused for our own sake
        self._thread = threading.Thread(target=self._run, name="download-pump", daemon=True)
        self._multi.setopt(pycurl.M_SOCKETFUNCTION, self._watch_socket)
        self._multi.setopt(pycurl.M_TIMERFUNCTION, self._set_timer)
        self._multi.setopt(pycurl.M_MAXCONNECTS, _IDLE_CONNECTIONS)

    @property
    def is_alive(self) -> bool:
        """Whether the thread works."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self) -> None:
        """Stop every request and end the thread; blocking."""
        self._ending = True
        if self.is_alive:
            self._ring()
            self._thread.join()
        self._multi.close()
        self._epoll.close()
        os.close(self._bell)

    async def perform(self, request: Request) -> None:
        """Run a request to its end, whatever that is; ``request.answer`` tells.

        Cancelled: the request is stopped and its socket closed before the cancellation goes on.
        """
        self._call(lambda: self._begin(request))
        if not self.is_alive:  # it ends what it finds, but this one may have come too late
            request.finish(pycurl.E_ABORTED_BY_CALLBACK, "the engine has stopped")
        try:
            await asyncio.shield(request.ended)
        except asyncio.CancelledError:
            if self.is_alive:
                self._call(lambda: self._stop(request, "stopped"))
                await request.ended
            raise

    def wake(self) -> None:
        """Let paused requests go on when they may; from any thread."""
        if self._paused:
            self._ring()

    def apply_rate_limit(self) -> None:
        """Let running requests notice that the throttle's rate was changed; from any thread."""
        self._call(self._choose_path)

    def _call(self, action: Callable[[], None]) -> None:
        self._calls.append(action)
        self._ring()

    def _ring(self) -> None:
        os.eventfd_write(self._bell, 1)

    def _run(self) -> None:
        try:
            while not self._ending:
                self._turn()
        except Exception as error:  # noqa: BLE001 -- the requests must not wait for ever for a thread that has died
            _log.error("pump_died", exc_info=error)
        finally:
            self._end()

    def _turn(self) -> None:
        for descriptor, events in self._wait():
            if descriptor == self._bell:
                with suppress(BlockingIOError):
                    os.eventfd_read(self._bell)
            else:
                self._multi.socket_action(descriptor, _curl_events(events))
        while self._calls:
            self._calls.popleft()()
        now = monotonic_s()
        if self._timer_at is not None and now >= self._timer_at:
            self._timer_at = None
            self._multi.socket_action(pycurl.SOCKET_TIMEOUT, 0)
        if self._paused:
            self._wake_paused()
        self._collect_ended()
        if now - self._watched_at >= _WATCH_EVERY_S:
            self._watched_at = now
            self._end_stalled(now)
            for request in self._running:
                request.hand_over_late(now)

    def _wait(self) -> list[tuple[int, int]]:
        for_the_line = len(self._paused) < len(self._running)
        began_at = monotonic_s()
        ready = self._epoll.poll(self._wait_s(), _EVENTS)
        if for_the_line:
            self.waited_s += monotonic_s() - began_at
        return ready

    def _wait_s(self) -> float:
        wait_s = _IDLE_WAIT_S if not self._running else _WATCH_EVERY_S
        if self._paused:
            wait_s = _PAUSED_WAIT_S
        if self._timer_at is not None:
            wait_s = min(wait_s, max(0.0, self._timer_at - monotonic_s()))
        return wait_s

    def _begin(self, request: Request) -> None:
        try:
            curl = request.make(self._throttle, self._paused.add)
            self._multi.add_handle(curl)
        except (pycurl.error, ValueError, UnicodeError) as error:
            request.finish(pycurl.E_URL_MALFORMAT, f"the request cannot be made ({type(error).__name__})")
            return
        request.seen_at = monotonic_s()
        self._running.add(request)
        if request.bucket is not None:
            self._throttle.join(request.bucket)

    def _stop(self, request: Request, reason: str) -> None:
        if request in self._running:
            self._end_request(request, pycurl.E_ABORTED_BY_CALLBACK, reason)
        elif request.curl is None:
            request.finish(pycurl.E_ABORTED_BY_CALLBACK, reason)

    def _end_request(self, request: Request, code: int, reason: str) -> None:
        self._running.discard(request)
        self._paused.discard(request)
        if request.bucket is not None:
            self._throttle.leave(request.bucket)
        curl = request.curl
        self._multi.remove_handle(curl)
        curl.close()  # the rest of a body is not wanted: its socket closes now
        curl.request = None
        request.finish(code, reason)

    def _collect_ended(self) -> None:
        left = 1
        while left:
            left, complete, failed = self._multi.info_read()
            for curl in complete:
                self._end_request(curl.request, 0, "")
            for curl, code, reason in failed:
                self._end_request(curl.request, code, reason)

    def _wake_paused(self) -> None:
        for request in list(self._paused):
            if request.can_go_on():
                self._paused.discard(request)
                request.seen_at = monotonic_s()
                with suppress(pycurl.error):
                    request.curl.pause(pycurl.PAUSE_CONT)

    def _end_stalled(self, now: float) -> None:
        for request in list(self._running):
            if request.mark != request.seen_mark or request in self._paused:
                request.seen_mark, request.seen_at = request.mark, now
            elif now - request.seen_at >= self._stall_timeout_s:
                request.answer.stalled = True
                self._stop(request, "stalled")

    def _choose_path(self) -> None:
        for request in self._running:
            request.direct = request.answer.accepted and not self._throttle.rate_bytes_s

    def _watch_socket(self, what: int, descriptor: int, _multi: Any, _data: Any) -> None:
        if what == pycurl.POLL_REMOVE:
            if descriptor in self._sockets:
                self._sockets.discard(descriptor)
                with suppress(OSError, ValueError):  # closed sockets have left epoll by themselves
                    self._epoll.unregister(descriptor)
            return
        events = (select.EPOLLIN if what & pycurl.POLL_IN else 0) | (select.EPOLLOUT if what & pycurl.POLL_OUT else 0)
        if descriptor in self._sockets:
            try:
                self._epoll.modify(descriptor, events)
                return
            except FileNotFoundError:
                pass  # the number belongs to a new socket now
        self._sockets.add(descriptor)
        self._epoll.register(descriptor, events)

    def _set_timer(self, milliseconds: int) -> None:
        self._timer_at = None if milliseconds < 0 else monotonic_s() + milliseconds / 1000

    def _end(self) -> None:
        while self._calls:
            with suppress(Exception):
                self._calls.popleft()()
        for request in list(self._running):
            self._end_request(request, pycurl.E_ABORTED_BY_CALLBACK, "the engine has stopped")


def _curl_events(events: int) -> int:
    flags = 0
    if events & (select.EPOLLIN | select.EPOLLHUP):
        flags |= pycurl.CSELECT_IN
    if events & select.EPOLLOUT:
        flags |= pycurl.CSELECT_OUT
    if events & select.EPOLLERR:
        flags |= pycurl.CSELECT_ERR
    return flags
