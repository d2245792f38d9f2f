"""Switches: what the real server does now and then, the simulated one does on demand.

Traps that need no switch are always there: a second socket with the same client id takes over, and is forgotten when the
first one closes; prompts without a client id are told to everybody; an identical prompt runs no node and writes no file;
an interrupt acts between steps only; a foreign Origin is refused; equal numbers and ids end the worker.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Traps:
    """Change them at any time; seconds.

    Args:
        history_lag_s: Between ``execution_success`` and the record in the history.
        frames_before_answer: POST /prompt answers only when the execution is over.
        silent_endings: No terminal frame is ever sent.
        forgets_early_interrupt: An interrupt that arrives before the first node is forgotten.
        step_s: What a step of a sampler takes.
        fail_next: HTTP statuses with which the next requests are answered.
    """

    history_lag_s: float = 0.0
    frames_before_answer: bool = False
    silent_endings: bool = False
    forgets_early_interrupt: bool = False
    step_s: float = 0.01
    fail_next: tuple[int, ...] = ()
