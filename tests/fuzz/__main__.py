"""Long runs of the differential harness: ``python -m tests.fuzz --minutes N`` in the folder of the project.

Each program goes through all checks; one that fails is made small and written to a file, with what is wrong with it.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from fuzz.cases import NotAProgram
from fuzz.checks import CHECKS, findings, kind
from fuzz.kinds import KINDS, program
from fuzz.reduce import reduced

# So many of the checks that take long are made of each program.
_TURN = 3


class TooLong(BaseException):
    """A program takes more time than any should."""


def _alarm(signum: int, frame: FrameType | None) -> None:
    raise TooLong


class Run:
    """One run, with what it has found."""

    def __init__(self, keep: Path, seconds: int, reduce: float, checks: list[str], every: bool) -> None:
        self.keep = keep
        self.seconds = seconds
        self.reduce = reduce
        self.checks = checks
        self.every = every
        self.programs: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.times: Counter[str] = Counter()
        self.found: list[Path] = []

    def one(self, name: str, seed: int) -> None:
        """All checks of one program."""
        source = program(name, seed)
        self.programs[name] += 1
        for check in self.turn(seed):
            start = time.monotonic()
            try:
                wrong = self.within(check, source)
            except NotAProgram as refusal:
                self.refused[f"{name} {refusal}"] += 1
                return
            self.times[check] += round(1000 * (time.monotonic() - start))
            if wrong:
                self.report(name, seed, check, source, wrong)

    def turn(self, seed: int) -> list[str]:
        """The checks whose turn it is: the first two, and some of the others one seed after the other."""
        always, others = self.checks[:2], self.checks[2:]
        if self.every or not others:
            return self.checks
        return always + [others[(_TURN * seed + at) % len(others)] for at in range(min(_TURN, len(others)))]

    def within(self, check: str, source: str) -> list[str]:
        """What a check finds, or that it takes too long."""
        # Of the processor: how busy the machine is does not count.
        signal.setitimer(signal.ITIMER_VIRTUAL, self.seconds)
        try:
            return findings(check, source)
        except TooLong:
            return [f"TooLong: more than {self.seconds} s"]
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)

    def report(self, name: str, seed: int, check: str, source: str, wrong: list[str]) -> None:
        """Write a failing program down, as small as it gets."""
        sort = kind(wrong)

        def fails(smaller: str) -> bool:
            try:
                return kind(self.within(check, smaller)) == sort
            except NotAProgram:
                return False

        if self.reduce and sort != "TooLong":
            source = reduced(source, fails, self.reduce)
            wrong = self.within(check, source) or wrong
        said = "".join(f"# {line}\n" for each in wrong[:4] for line in each.splitlines())
        target = self.keep / f"{check}-{name}-{seed}.grad"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(f"# {check} of {name} {seed}\n{said}{source}", "utf-8")
        self.found.append(target)
        print(f"FAILED {check} of {name} {seed}: {wrong[0][:300]}\n{source}\n", flush=True)


def main(arguments: list[str] | None = None) -> int:
    """Run for some time; 1 if anything was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=0, help="the first one; a run says which it came to")
    parser.add_argument("--programs", type=int, help="so many of each kind, however long it takes")
    parser.add_argument("--kind", choices=KINDS, action="append", help="only these kinds of programs")
    parser.add_argument("--check", choices=CHECKS, action="append", help="only these checks")
    parser.add_argument("--every", action="store_true", help="all checks of each program, not some by turns")
    parser.add_argument("--keep", type=Path, default=Path("fuzz-findings"), help="the folder for what fails")
    parser.add_argument("--reduce", type=float, default=90.0, help="seconds to make a failing program small; 0 for not")
    parser.add_argument("--limit", type=int, default=60, help="seconds of the processor for a check of one program")
    options = parser.parse_args(arguments)
    run = Run(options.keep, options.limit, options.reduce, options.check or list(CHECKS), options.every)
    signal.signal(signal.SIGVTALRM, _alarm)
    start = said = time.monotonic()
    seed = options.seed
    while (
        time.monotonic() < start + 60 * options.minutes
        if options.programs is None
        else seed < options.seed + options.programs
    ):
        for name in options.kind or KINDS:
            run.one(name, seed)
            if time.monotonic() > said + 60:
                said = time.monotonic()
                print(
                    f"{said - start:.0f} s, seed {seed}: {run.programs.total()} programs, {len(run.found)} findings",
                    flush=True,
                )
            if options.programs is None and time.monotonic() > start + 60 * options.minutes:
                break
        seed += 1
    counts = ", ".join(f"{count} {name}" for name, count in run.programs.items())
    print(
        f"\n{run.programs.total()} programs ({counts}), seeds {options.seed} to {seed - 1}, "
        f"{time.monotonic() - start:.0f} s"
    )
    refused: Any = ", ".join(f"{count} {why}" for why, count in run.refused.most_common(8)) or "none"
    print(f"refused by the compiler: {refused}")
    print("seconds: " + ", ".join(f"{check} {ms / 1000:.0f}" for check, ms in run.times.most_common()))
    print(f"{len(run.found)} findings" + "".join(f"\n  {path}" for path in run.found))
    return bool(run.found)


if __name__ == "__main__":
    sys.exit(main())
