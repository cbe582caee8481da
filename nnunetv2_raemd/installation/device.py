"""What nnU-Net can compute on here."""

from __future__ import annotations

from nnunetv2_raemd.installation.finding import Finding, note, problem

SUBJECT = "Device"


def check_device() -> Finding:
    """Name the GPUs; without one, say how to tell nnU-Net so (it takes CUDA for granted)."""
    try:
        import torch  # noqa: PLC0415 - its failure to load is one of the findings
    except (ImportError, OSError) as error:
        return problem(
            SUBJECT,
            f"torch does not load: {error}",
            "reinstall torch in this environment: `pip install --force-reinstall torch torchvision`",
        )
    if torch.cuda.is_available():
        return Finding(
            SUBJECT, "CUDA: " + ", ".join(_describe_gpu(i) for i in range(torch.cuda.device_count()))
        )
    if torch.backends.mps.is_available():
        return note(SUBJECT, "MPS (Apple GPU)", "add `-device mps` to nnUNetv2_train and nnUNetv2_predict")
    return note(
        SUBJECT,
        "CPU only",
        "add `-device cpu` to nnUNetv2_train and nnUNetv2_predict. If there is an NVIDIA GPU: does "
        f"`nvidia-smi` list it, and is this torch ({torch.__version__}) built for CUDA?",
    )


def _describe_gpu(index: int) -> str:
    import torch  # noqa: PLC0415 - as above

    properties = torch.cuda.get_device_properties(index)
    return f"{properties.name} ({properties.total_memory / 2**30:.0f} GiB)"
