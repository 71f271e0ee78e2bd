"""What a command is handed: the global options, the way to the installation, questions to the person, the screen."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from crossdock.cli import screen
from crossdock.core.errors import ConfigError

if TYPE_CHECKING:
    from crossdock.core.config import FieldHelp
    from crossdock.hub import Hub

CONFIG_FILE = Path("crossdock.toml")
LEFT_TO_A_PERSON = 1  # exit code: the command did its part, and something is left for somebody to do


class App:
    """One call of the command.

    Attributes:
        config: the installation's file.
        json: whether the answer is one JSON document.
        verbose: whether the log is shown.
    """

    def __init__(self) -> None:
        self.config = CONFIG_FILE
        self.json = False
        self.verbose = False

    @property
    def interactive(self) -> bool:
        """Whether a person can be asked: standard input and standard error are a terminal."""
        return sys.stdin.isatty() and sys.stderr.isatty()

    @contextmanager
    def hub(self) -> Iterator[Hub]:
        """Open the installation."""
        import crossdock

        with self._log(), crossdock.open(self.config) as hub:
            yield hub

    @contextmanager
    def _log(self) -> Iterator[None]:
        """Send the log to standard error: all of it if asked for, else warnings that the commands do not print."""
        from crossdock.core.redaction import SECRETS, SecretFilter, guard_logs

        guard_logs()
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        handler.addFilter(SecretFilter(SECRETS))
        if not self.verbose:
            handler.setLevel(logging.WARNING)
            handler.addFilter(lambda record: record.name != "crossdock.queue.execute")
        root, level = logging.getLogger(), logging.getLogger().level
        root.addHandler(handler)
        root.setLevel(logging.DEBUG if self.verbose else level)
        try:
            yield
        finally:
            root.removeHandler(handler)
            root.setLevel(level)

    # --- answering

    def show(self, document: Any, *columns: str, **sections: tuple[str, ...]) -> None:
        """Print a record (a mapping) or a table (a list of mappings).

        Args:
            document: what there is to see; JSON has all of it.
            columns: of a table, which ones people see.
            sections: the same for the tables within a record, by name.
        """
        screen.show(document, columns, sections, as_json=self.json)

    def done(self, sentence: str, document: Any) -> None:
        """Say what was done: a sentence for people, the document for programs."""
        if self.json:
            self.show(document)
        else:
            self.say(sentence)

    def say(self, sentence: str) -> None:
        """Tell people something that programs do not need."""
        if not self.json:
            click.echo(screen.legible(sentence, lines=True))

    def warn(self, sentence: str) -> None:
        """Tell something on standard error, whoever reads standard output."""
        click.echo(screen.legible(sentence, lines=True), err=True)

    # --- asking

    def confirm(self, question: str, *, yes: bool) -> None:
        """Go on only if a person, or the option --yes, says so.

        Raises:
            ConfigError: nobody is there to be asked.
        """
        if yes:
            return
        if not self.interactive:
            raise ConfigError("This wants to be confirmed, and there is no terminal to ask on.", advice="Add --yes.")
        if not click.confirm(question, err=True):
            self.warn("Nothing was changed.")
            raise click.exceptions.Exit(LEFT_TO_A_PERSON)

    def ask(self, field: FieldHelp) -> str:
        """Ask a person for a setting; what is typed for a secret is not shown."""
        self.warn(f"{field.title}. {field.description}" + (f" Such as {field.example}" if field.example else ""))
        answer: str = click.prompt(field.name, hide_input=field.secret, err=True)
        return answer
