"""How far a long command is."""

import sys
import time

import typer

__all__ = ["Meter"]


class Meter:
    """Models done, models a minute, time left: a bar on a terminal, a line a stack elsewhere."""

    def __init__(self, title: str = "") -> None:
        self.title = f"{title}: " if title else ""
        self.begun: tuple[float, int] | None = None
        self.bar = None

    def __call__(self, done: int, total: int) -> None:
        """Show how far the work is; the first call says where it starts."""
        if self.begun is None:
            self.begun = time.monotonic(), done
            self.open(done, total)
            return
        start, first = self.begun
        rate = 60 * (done - first) / (time.monotonic() - start)
        pace = f"{rate:.1f} models a minute, {(total - done) / rate:.1f} min left"
        if self.bar is None:
            typer.echo(f"{self.title}{done} of {total} models, {pace}")
        else:
            self.bar.set_postfix_str(pace, refresh=False)
            self.bar.update(done - self.bar.n)
        if done >= total:
            self.close()

    def open(self, done: int, total: int) -> None:
        """A bar on a terminal, a first line elsewhere."""
        if not sys.stderr.isatty():
            typer.echo(f"{self.title}{done} of {total} models done")
            return
        from tqdm import tqdm

        shape = "{percentage:3.0f} %|{bar}| {n_fmt} of {total_fmt} models, {elapsed}{postfix}"
        self.bar = tqdm(total=total, initial=done, bar_format=self.title + shape)

    def close(self) -> None:
        """Leave the bar as it stands."""
        if self.bar is not None:
            self.bar.close()
