"""The MLflow model registry: versions that are full copies, found by variant and digest, and their aliases.

A version's folder is an MLflow model (`MLmodel`, signature, input example, requirements) whose root is also what the
artifact was: `config.json` and `model.safetensors`, or `model.onnx` and `tokenizer.json`. `textmill/files.json` lists
every file with its sha256; the tag `files` is the digest of that list. What is attached later (card, figures) is not
in the list.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from tasks.runtime.artifact import Artifact
from tasks.runtime.errors import RefusedInput
from tasks.runtime.mlflow_store import experiment_of, global_address, is_local, open_client, quoted
from tasks.runtime.model_folder import Served, build_folder, changed_files, list_files
from tasks.runtime.workspace import Workspace

ALIASES = ("challenger", "champion", "previous")


@dataclass(frozen=True)
class Version:
    """A registered version as the registry describes it."""

    model: str
    version: int
    source: str
    """`models:/ID` of the MLflow model that holds its files."""
    run_id: str
    tags: Mapping[str, str]
    description: str = ""

    @property
    def variant(self) -> str:
        return self.tags.get("variant", "")

    @property
    def digest(self) -> str:
        """Of the artifact that it is a copy of."""
        return self.tags.get("digest", "")

    @property
    def node(self) -> str:
        return self.tags.get("node", "")

    @property
    def fingerprint(self) -> str:
        return self.tags.get("fingerprint", "")


@dataclass
class Registry:
    """All registry calls of one workspace."""

    workspace: Workspace
    address: str = ""
    """Of its store; empty: where the environment points to, else the workspace's own."""
    _downloads: dict[str, tempfile.TemporaryDirectory[str]] = field(default_factory=dict)
    """Of versions on a server, by address of their files; they go with this object."""

    @cached_property
    def client(self) -> Any:
        return open_client(self.workspace, self.address)

    @staticmethod
    def existing(workspace: Workspace) -> Registry:
        """The registry of a workspace in which something was run.

        Raises:
            RefusedInput: there is none, and asking makes none.
        """
        if not os.environ.get("MLFLOW_TRACKING_URI") and not (workspace.root / "mlflow.db").is_file():
            raise RefusedInput(f"{workspace.root}: nothing is registered here. Make something first: textmill run")
        return Registry(workspace)

    def versions(self, model: str) -> tuple[Version, ...]:
        """All versions of a model, oldest first."""
        found = self.client.search_model_versions(f"name='{quoted(model)}'")
        return tuple(sorted((_version(one) for one in found), key=lambda one: one.version))

    def get(self, model: str, version: int) -> Version:
        for one in self.versions(model):
            if one.version == version:
                return one
        raise RefusedInput(f"{model} has no version {version}. {self.known(model)}")

    def resolve(self, reference: str) -> Version:
        """`NAME@alias`, `NAME/version`, or `NAME` for its champion.

        Raises:
            RefusedInput: naming what there is instead.
        """
        model, slash, number = reference.partition("/")
        if slash and number.isdigit():
            return self.get(model, int(number))
        model, _, alias = reference.partition("@")
        alias = alias or "champion"
        if slash or alias not in (known := self.aliases(model)):
            raise RefusedInput(f"{reference!r}: {model or 'no model'} has no alias {alias!r}. {self.known(model)}")
        return self.get(model, known[alias])

    def aliases(self, model: str) -> dict[str, int]:
        """Alias to version number; empty if there is no such model."""
        return self.about(model)[0]

    def about(self, model: str) -> tuple[dict[str, int], str | None]:
        """Aliases and description of a model; None for the description if there is no such model."""
        client = self.client  # first: it silences MLflow before anything of MLflow is imported
        from mlflow.exceptions import MlflowException

        try:
            registered = client.get_registered_model(model)
        except MlflowException as error:
            # A name that no model can have (empty, with a colon) is invalid to MLflow; no model has it all the same.
            if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                return {}, None
            raise
        aliases = {alias: int(version) for alias, version in registered.aliases.items()}
        return aliases, registered.description or ""

    def set_alias(self, model: str, alias: str, version: int | None) -> None:
        """Point an alias to a version, or take it away (None)."""
        assert alias in ALIASES, alias
        if version is None:
            self.client.delete_registered_model_alias(model, alias)
        else:
            self.client.set_registered_model_alias(model, alias, str(version))

    def find(self, model: str, *, variant: str, digest: str) -> Version | None:
        """The newest intact version with this variant and digest."""
        fits = [one for one in self.versions(model) if (one.variant, one.digest) == (variant, digest)]
        return next((one for one in reversed(fits) if self._may_be_reused(one)), None)

    def register(
        self,
        model: str,
        *,
        variant: str,
        artifact: Artifact,
        files: Mapping[str, Path],
        served: Served | None,
        run_id: str,
    ) -> tuple[Version, bool]:
        """Copy an artifact into the registry, unless an equal one is there; return the version and whether it is new.

        Args:
            files: what to copy, by name in the version's folder.
            served: how it answers; None for what only loads (an encoder).
            run_id: MLflow's id of the run that made the artifact; empty if unknown.
        """
        found = self.find(model, variant=variant, digest=artifact.digest)
        if found is not None:
            return found, False
        self._ensure_model(model)
        tags = {
            "variant": variant,
            "digest": artifact.digest,
            "node": artifact.node,
            "fingerprint": artifact.fingerprint,
        }
        experiment = experiment_of(self.client, self.workspace, model.removesuffix("-encoder"))
        logged = self.client.create_logged_model(
            experiment, name=f"{model}-{variant}", source_run_id=run_id or None, tags=tags, model_type=variant
        )
        # Beside the destination, so that nothing is copied across devices and no small /tmp fills up.
        with tempfile.TemporaryDirectory(prefix=".registering-", dir=self.workspace.root) as temporary:
            folder = Path(temporary) / "model"
            build_folder(folder, logged, run_id, files, served)
            tags["files"] = list_files(folder)
            self.client.log_model_artifacts(logged.model_id, str(folder))
        self.client.finalize_logged_model(logged.model_id, "READY")
        if run_id:
            self._link(run_id, logged.model_id)
        with global_address(self.client.tracking_uri):
            made = self.client.create_model_version(
                model, source=f"models:/{logged.model_id}", run_id=run_id or None, tags=tags, model_id=logged.model_id
            )
        # What MLflow's own way of registering notes, too; else the page of the files says "Not registered".
        note = json.dumps([{"name": model, "version": int(made.version)}])
        self.client.set_logged_model_tags(logged.model_id, {"mlflow.modelVersions": note})
        return _version(made), True

    def attach(self, version: Version, folder: Path, tags: Mapping[str, str]) -> Version:
        """Add the files in `folder` to a version, then set tags on it."""
        self.client.log_model_artifacts(_model_id(version), str(folder))
        self._downloads.clear()
        self.tag(version, tags)
        return self.get(version.model, version.version)

    def tag(self, version: Version, tags: Mapping[str, str]) -> None:
        """Set tags; those that stand already are not written."""
        for name, value in tags.items():
            if version.tags.get(name) != value:
                self.client.set_model_version_tag(version.model, str(version.version), name, value)

    def describe(self, version: Version, text: str) -> None:
        self.client.update_model_version(version.model, str(version.version), description=text)

    def describe_model(self, model: str, text: str) -> None:
        self.client.update_registered_model(model, description=text)

    def experiment(self, model: str) -> str:
        """The id of the experiment that a model's runs and files are in."""
        return experiment_of(self.client, self.workspace, model)

    def folder(self, version: Version) -> Path:
        """A local folder with the version's files: the store itself where it is local, else a download."""
        from mlflow.artifacts import download_artifacts
        from mlflow.exceptions import MlflowException

        location = version.source
        try:
            location = str(self.client.get_logged_model(_model_id(version)).artifact_location)
            if is_local(location):
                return Path(download_artifacts(artifact_uri=location, tracking_uri=self.client.tracking_uri))
            if location not in self._downloads:
                target = tempfile.TemporaryDirectory(prefix=".version-", dir=self.workspace.root)
                address = self.client.tracking_uri
                download_artifacts(artifact_uri=location, dst_path=target.name, tracking_uri=address)
                self._downloads[location] = target
            (folder,) = Path(self._downloads[location].name).iterdir()
            return folder
        except (OSError, MlflowException):
            raise RefusedInput(
                f"{version.model} version {version.version}: its files are gone ({location}). "
                "Register it again: textmill run"
            ) from None

    def check_intact(self, version: Version) -> None:
        """Raise `RefusedInput` if files of the version are missing or differ from what was registered."""
        if damage := self.damage(version):
            raise RefusedInput(
                f"{version.model} version {version.version}: damaged: {', '.join(damage)}. Files of a version are "
                "never changed; register it again, as a new version: textmill run"
            )

    def damage(self, version: Version) -> tuple[str, ...]:
        """Files of the version that are missing or differ from what was registered; empty if all is intact."""
        try:
            folder = self.folder(version)
        except RefusedInput:
            return ("all files are gone",)
        return changed_files(folder, version.tags.get("files", ""))

    def _may_be_reused(self, version: Version) -> bool:
        """Whether its files are intact. What lies on a server is taken for intact: to look would be to download it."""
        from mlflow.exceptions import MlflowException

        try:
            location = str(self.client.get_logged_model(_model_id(version)).artifact_location)
        except MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":  # somebody deleted the files alone
                return False
            raise
        return not is_local(location) or not self.damage(version)

    def _ensure_model(self, model: str) -> None:
        from mlflow.exceptions import MlflowException

        try:
            self.client.create_registered_model(model)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise

    def _link(self, run_id: str, model_id: str) -> None:
        from mlflow.entities import LoggedModelOutput
        from mlflow.exceptions import MlflowException

        try:
            self.client.log_outputs(run_id, models=[LoggedModelOutput(model_id, step=0)])
        except MlflowException as error:  # the run was deleted: the version stands without it
            if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                raise

    def known(self, model: str) -> str:
        """What there is of a model, or else which models there are, for a refusal."""
        versions = self.versions(model)
        if not versions:
            names = [one.name for one in self.client.search_registered_models()]
            return f"Registered models: {', '.join(names)}." if names else "Nothing is registered yet: textmill run"
        aliases = ", ".join(f"@{alias} = {version}" for alias, version in sorted(self.aliases(model).items()))
        return f"Versions of {model}: {', '.join(str(one.version) for one in versions)}; {aliases or 'no aliases'}."


def _version(found: Any) -> Version:
    return Version(
        found.name, int(found.version), found.source, found.run_id or "", dict(found.tags), found.description or ""
    )


def _model_id(version: Version) -> str:
    return version.source.removeprefix("models:/")
