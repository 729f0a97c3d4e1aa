"""Machine settings: how this machine does the work. They never enter a fingerprint."""

from __future__ import annotations

import os
from dataclasses import dataclass, fields
from pathlib import Path

from tasks.runtime.errors import RefusedInput


@dataclass(frozen=True)
class Settings:
    """Read from `TEXTMILL_*`; an empty variable counts as unset."""

    workers: int = 0
    """Processes or threads a stage may use; 0 = the CPU cores this process may run on."""
    index_memory: int = 1 << 30
    """Bytes of memory that the index of near-duplicates may take; what is beyond lies in files of the work folder."""
    device: str = "auto"
    """`auto` (a GPU where there is one), `cpu` or `cuda`."""
    micro_batch_size: int = 0
    """Rows per forward pass in training; 0 = the effective batch of the config at once. Gradients are accumulated."""
    leases: str = ""
    """Machine-wide folder of the device leases; empty = `textmill-leases-UID` in the system's temporary folder."""
    slots: str = ""
    """Device slots to schedule on, for example `0,1`; empty = the GPUs that are there, or one CPU slot."""
    needs: str = ""
    """Overrides of device needs, `stage=share,…`, for example `pretrain=2,finetune=0.5`."""

    @staticmethod
    def from_environment() -> Settings:
        values: dict[str, object] = {}
        for field in fields(Settings):
            name = f"TEXTMILL_{field.name.upper()}"
            text = os.environ.get(name, "")
            if not text:
                continue
            if isinstance(field.default, int):
                if not text.isdigit():
                    raise RefusedInput(f"{name}={text!r} (environment): expected a whole number, 0 or more.")
                values[field.name] = int(text)
            else:
                values[field.name] = text
        settings = Settings(**values)  # type: ignore[arg-type]  # the loop gave each field its own type
        if settings.device not in ("auto", "cpu", "cuda"):
            raise RefusedInput(f"TEXTMILL_DEVICE={settings.device!r} (environment): expected auto, cpu or cuda.")
        return settings

    @property
    def cores(self) -> int:
        """Processes or threads to use, at least 1."""
        return self.workers or len(os.sched_getaffinity(0))

    @property
    def lease_folder(self) -> Path:
        import tempfile

        return Path(self.leases) if self.leases else Path(tempfile.gettempdir()) / f"textmill-leases-{os.getuid()}"
