"""pulumi-language-python: runs Python programs, policy packs and component packages for the Pulumi engine.

The official host is in no published module. This one speaks the same protocol (`pulumirpc.LanguageRuntime`) and runs
the official executor `pulumi-language-python-exec`, which it finds on PATH. Where it differs:

- It names no required plugins: an environment's plugins lie on PATH, and a named one would be asked for on the network.
- It installs dependencies with `uv sync` only where no virtual environment is found.
- The option `typechecker` is not acted upon, and there is no code generation and no debugger.
"""

import json
import os
import pathlib
import queue
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import grpc
from google.protobuf import empty_pb2, json_format
from pulumi.runtime.proto import language_pb2, language_pb2_grpc, plugin_pb2

from tenbin_local.plugins import children, pythons, serving, versions

EXECUTOR = "pulumi-language-python-exec"

BAIL = 32
"""Exit code of the executor after the user has been shown what is wrong; the engine then adds nothing."""

_DISTRIBUTIONS = """
import importlib.metadata, json, re
found = {}
needed = set()
for one in importlib.metadata.distributions():
    found[one.metadata["Name"]] = one.version
    for line in one.requires or []:
        if "extra ==" not in line:
            needed.add(re.split(r"[^A-Za-z0-9._-]", line)[0].lower().replace("_", "-"))
print(json.dumps([[k, v, k.lower().replace("_", "-") in needed] for k, v in sorted(found.items())]))
"""


class LanguageHost(language_pb2_grpc.LanguageRuntimeServicer):
    """The language runtime service; see the protocol for each method's meaning."""

    def __init__(self, engine: str, programs: children.Children) -> None:
        self._engine = engine
        self._programs = programs

    def Handshake(self, request: Any, _context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Takes the engine's address, which newer engines send here instead of in the arguments."""
        self._engine = request.engine_address or self._engine
        return language_pb2.LanguageHandshakeResponse()

    def GetPluginInfo(self, _request: Any, _context: grpc.ServicerContext) -> Any:  # noqa: N802
        """The version of this plugin."""
        return plugin_pb2.PluginInfo(version=versions.LANGUAGE_HOST)

    def GetRequiredPackages(self, _request: Any, _context: grpc.ServicerContext) -> Any:  # noqa: N802
        """No packages: the environment's plugins are found on PATH."""
        return language_pb2.GetRequiredPackagesResponse()

    def GetRequiredPlugins(self, _request: Any, _context: grpc.ServicerContext) -> Any:  # noqa: N802
        """No plugins: the environment's plugins are found on PATH."""
        return language_pb2.GetRequiredPluginsResponse()

    def RuntimeOptionsPrompts(self, _request: Any, _context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Nothing to ask for."""
        return language_pb2.RuntimeOptionsResponse()

    def Template(self, _request: Any, _context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Templates are left as they were copied."""
        return language_pb2.TemplateResponse()

    def About(self, request: Any, _context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Which interpreter runs the program."""
        python = _python(request.info)
        shown = subprocess.run([python, "--version"], capture_output=True, text=True, check=False)
        return language_pb2.AboutResponse(executable=python, version=shown.stdout.strip().removeprefix("Python "))

    def GetProgramDependencies(self, request: Any, _context: grpc.ServicerContext) -> Any:  # noqa: N802
        """The distributions installed for the program, without those that others need unless all are asked for."""
        shown = subprocess.run(
            [_python(request.info), "-c", _DISTRIBUTIONS], capture_output=True, text=True, check=True
        )
        return language_pb2.GetProgramDependenciesResponse(
            dependencies=[
                language_pb2.DependencyInfo(name=name, version=version)
                for name, version, needed in json.loads(shown.stdout)
                if request.transitiveDependencies or not needed
            ]
        )

    def InstallDependencies(self, request: Any, context: grpc.ServicerContext) -> Iterator[Any]:  # noqa: N802
        """Leaves an existing virtual environment as it is, else runs `uv sync` in the program's folder."""
        python = _python(request.info)
        folder = pathlib.Path(request.directory).absolute()
        # The nearest one above counts as well: syncing one member of a workspace would empty the shared environment.
        if python != sys.executable or any((place / ".venv").exists() for place in (folder, *folder.parents)):
            text = f"Dependencies come with {python}\n"
            yield language_pb2.InstallDependenciesResponse(stdout=text.encode())
            return
        uv = shutil.which("uv")
        if uv is None:
            context.abort(
                grpc.StatusCode.FAILED_PRECONDITION,
                f"{request.directory}: no virtual environment here or above, and no uv on PATH to make one",
            )
            return
        process = self._programs.start([uv, "sync"], cwd=request.directory, env=os.environ, captured=True)
        for name, data in _output(process):
            yield (
                language_pb2.InstallDependenciesResponse(stdout=data)
                if name == "stdout"
                else language_pb2.InstallDependenciesResponse(stderr=data)
            )
        if code := self._programs.wait(process):
            context.abort(grpc.StatusCode.UNKNOWN, f"uv sync in {request.directory} ended with exit code {code}")

    def Run(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Runs the program to its end; its output is this process's own, which the engine shows."""
        executor = shutil.which(EXECUTOR)
        if executor is None:
            return language_pb2.RunResponse(error=f"could not find `{EXECUTOR}` on the $PATH")
        python = _python(request.info)
        environment = pythons.environment_of(python) | {
            "PULUMI_CONFIG": json.dumps(dict(request.config)),
            "PULUMI_CONFIG_SECRET_KEYS": json.dumps(list(request.configSecretKeys)),
        }
        command = [python, "-u", executor, *_flags(request, self._engine), _entry(request), *request.args]
        process = self._programs.start(command, cwd=request.pwd or os.getcwd(), env=environment)  # noqa: PTH109
        context.add_callback(lambda: self._programs.end(process))
        code = self._programs.wait(process)
        if code == 0:
            return language_pb2.RunResponse()
        if code == BAIL:
            return language_pb2.RunResponse(bail=True)
        reason = f"was killed by signal {-code}" if code < 0 else f"exited with non-zero exit code: {code}"
        return language_pb2.RunResponse(error=f"Program {reason}")

    def RunPlugin(self, request: Any, context: grpc.ServicerContext) -> Iterator[Any]:  # noqa: N802
        """Runs a policy pack or a component package and streams its output, then its exit code."""
        python = _python(request.info)
        program = pathlib.Path(request.info.program_directory or request.program)
        # A package without its own entry point is hosted by the SDK under the package's name.
        hosted = program.is_dir() and not (program / "__main__.py").exists()
        command = [python, "-u", *(["-m", "pulumi.run.plugin"] if hosted else []), str(program), *request.args]
        given = dict(entry.split("=", 1) for entry in request.env if "=" in entry)
        process = self._programs.start(
            command, cwd=request.pwd, env=pythons.environment_of(python, os.environ | given), captured=True
        )
        context.add_callback(lambda: self._programs.end(process))
        for name, data in _output(process):
            yield (
                language_pb2.RunPluginResponse(stdout=data)
                if name == "stdout"
                else language_pb2.RunPluginResponse(stderr=data)
            )
        yield language_pb2.RunPluginResponse(exitcode=self._programs.wait(process))

    def Cancel(self, _request: Any, _context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Ends the programs that still run."""
        self._programs.close()
        return empty_pb2.Empty()


def _python(info: Any) -> str:
    options = json_format.MessageToDict(info.options)
    return pythons.interpreter(pathlib.Path(info.program_directory), pathlib.Path(info.root_directory), options)


def _entry(request: Any) -> str:
    folder, entry = request.info.program_directory, request.info.entry_point
    return str(pathlib.Path(folder) / entry) if folder else request.program or "."


def _flags(request: Any, engine: str) -> list[str]:
    flags = {
        "monitor": request.monitor_address,
        "engine": engine,
        "project": request.project,
        "root_directory": request.info.root_directory,
        "stack": request.stack,
        "pwd": request.pwd,
        "dry_run": "true" if request.dryRun else "false",
        "parallel": str(request.parallel),
        "organization": request.organization,
    }
    return [part for name, value in flags.items() if value for part in (f"--{name}", value)]


def _output(process: subprocess.Popen[bytes]) -> Iterator[tuple[str, bytes]]:
    """Pieces of the standard output and error of `process` as they come: ("stdout" or "stderr", bytes)."""
    pieces: queue.SimpleQueue[tuple[str, bytes]] = queue.SimpleQueue()

    def read(name: str, stream: Any) -> None:
        while data := stream.read1(65536):
            pieces.put((name, data))
        pieces.put((name, b""))

    streams = {"stdout": process.stdout, "stderr": process.stderr}
    for name, stream in streams.items():
        threading.Thread(target=read, args=(name, stream), daemon=True).start()
    open_streams = len(streams)
    while open_streams:
        name, data = pieces.get()
        if data:
            yield name, data
        else:
            open_streams -= 1


def main(arguments: Sequence[str]) -> None:
    """Serves the language runtime until the engine ends it."""

    def register(server: grpc.Server, engine: str) -> Any:
        programs = children.Children()
        language_pb2_grpc.add_LanguageRuntimeServicer_to_server(LanguageHost(engine, programs), server)
        return programs.close

    serving.serve(register, arguments)


if __name__ == "__main__":
    main(sys.argv[1:])
