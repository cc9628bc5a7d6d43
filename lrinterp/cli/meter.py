"""How far a long command is."""

import sys

from tqdm import tqdm

__all__ = ["Meter"]

LINE = "{desc}{n_fmt} of {total_fmt} models, {rate_fmt}, {remaining} left"


class Meter:
    """Models done, their pace, time left: a bar on a terminal, a line a stack elsewhere."""

    def __init__(self, title: str = "") -> None:
        self.title = f"{title}: " if title else ""
        self.bar: tqdm | None = None

    def __call__(self, done: int, total: int) -> None:
        """Show how far the work is; the first call says where it starts."""
        if self.bar is None:
            live = sys.stderr.isatty()
            shape = {"bar_format": "{percentage:3.0f} %|{bar}| " + LINE if live else LINE + "\n"}
            about = {"desc": self.title, "unit": " models", "mininterval": 0, "leave": live}
            self.bar = tqdm(initial=done, total=total, **shape, **about)
        elif done > self.bar.n:
            self.bar.update(done - self.bar.n)
        if done >= total:
            self.close()

    def close(self) -> None:
        """Leave the bar as it stands."""
        if self.bar is not None:
            self.bar.close()
