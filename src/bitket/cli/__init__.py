"""The command line: ``bitket VERB``, one module for each group of verbs, which import what they need when they are called.

Wrong input ends with one line on standard error and status 2, an interrupt with 130, a reader that has gone with silence.
"""

from __future__ import annotations

import os
import re
import sys
import warnings
from functools import cache
from typing import Any

import typer

from bitket import __version__
from bitket.cli import (
    catalogue,
    classify,
    codes,
    denoise,
    federate,
    generate,
    groundstate,
    network,
    quantize,
    reproduce,
    run,
    sentence,
    sign,
    simulate,
)
from bitket.cli.console import complain, mend_streams, settle_streams
from bitket.cli.folders import remove_empty
from bitket.errors import BitketError

__all__ = ["app", "main"]

app = typer.Typer(
    name="bitket",
    help="Computing with few qubits and few bits: published methods on your own input, and the papers rerun.",
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
catalogue.register(app)
run.register(app)
reproduce.register(app)
simulate.register(app)
groundstate.register(app)
classify.register(app)
generate.register(app)
denoise.register(app)
sentence.register(app)
network.register(app)
sign.register(app)
codes.register(app)
federate.register(app)
quantize.register(app)


def _version(asked: bool) -> None:
    if asked:
        print(f"bitket {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Show the version."),
) -> None:
    pass


def main() -> None:
    """Run the command line."""
    mend_streams()
    if "_BITKET_COMPLETE" in os.environ:  # the shell asks what could follow
        app(prog_name="bitket")
    status = _status(sys.argv[1:] or ["--help"])
    if status:
        remove_empty()
    settle_streams()
    sys.exit(status)


def _status(arguments: list[str]) -> int:
    try:
        status = _invoked(arguments)
        sys.stdout.flush()
        return status
    except BitketError as error:
        return _refuse(str(error))
    except MemoryError as error:
        return _refuse(f"not enough memory ({error})" if str(error) else "not enough memory")
    except RuntimeError as error:
        asked = re.search(r"tried to allocate (\d+) bytes", str(error))  # torch, on the CPU
        if asked is None:
            raise
        return _refuse(f"not enough memory ({asked[1]} bytes were asked for)")
    except typer.TyperException as error:  # wrong options and arguments
        return _refuse(_usage(error))
    except (KeyboardInterrupt, typer.Abort) as end:
        complain(f"stopped; {end}" if str(end) else "stopped")
        return 130
    except BrokenPipeError:
        return 141  # as a process that the signal ends; 1 is what 'verify' answers
    except OSError as error:
        return _refuse(f"{error.filename or 'input and output'}: {error.strerror or error}")


def _invoked(arguments: list[str]) -> int:
    # Not app(): it would turn interrupts and broken pipes into statuses of its own.
    command = _command()
    try:
        with warnings.catch_warnings(), command.make_context("bitket", arguments) as context:
            warnings.simplefilter("default", UserWarning)
            warnings.showwarning = _note
            command.invoke(context)
    except typer.Exit as end:
        return end.exit_code
    return 0


@cache
def _command() -> Any:
    command = typer.main.get_command(app)
    _word(command)
    return command


def _note(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: Any = None,
    line: str | None = None,
) -> None:
    complain(f"note: {message}")


def _word(command: Any) -> None:
    """Let the help name what an option takes by words, and a flag by nothing."""
    for inner in getattr(command, "commands", {}).values():
        _word(inner)
    for parameter in (*command.params, command.get_help_option(typer.Context(command))):
        kind = {"<bool>": "", "<path>": "PATH", "<str>": "TEXT"}.get(parameter.display_type(typer.Context(command)))
        if parameter.param_type_name == "argument":
            parameter.display_type = lambda _: ""
        elif parameter.metavar is None and kind is not None:
            parameter.metavar = kind


def _refuse(sentence: str) -> int:
    complain(sentence)
    return 2


def _usage(error: typer.TyperException) -> str:
    errors = getattr(error.__cause__, "errors", None)  # of pydantic
    reasons = errors() if errors else []
    own = reasons[0].get("ctx", {}).get("error") if reasons else None
    if isinstance(own, BitketError):  # from a look at a file; it says what is wrong better than the name of an option
        return str(own)
    context = getattr(error, "ctx", None)
    unknown = getattr(error, "option_name", None)
    if context is not None and unknown is not None:
        options = [name for parameter in context.command.params for name in parameter.opts if name.startswith("--")]
        near = getattr(error, "possibilities", None)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(options)}"
        return f"option {unknown} is unknown; {hint}"
    message = (error.format_message() if hasattr(error, "format_message") else str(error)) or "a command is needed"
    message = message.replace(": Value error, ", ": ")
    message = message[:1].lower() + message[1:].rstrip(".")
    return message if context is None else f"{message} (see '{context.command_path} --help')"
