"""The command line as data: every verb with its parameters."""

import typer

from bitket.cli import app


def verbs():
    """Commands by name; those of a group after its name."""

    def below(command, path):
        if hasattr(command, "commands"):
            for name, inner in command.commands.items():
                yield from below(inner, [*path, name])
        else:
            yield " ".join(path), command

    return dict(below(typer.main.get_command(app), []))
