# syntax=docker/dockerfile:1
#
#   docker build -t raemd .                                    for the CPU
#   docker build -t raemd:cuda --build-arg TORCH=cu126 .       for CUDA 12.6
#   docker build -t raemd --build-arg PIP_INDEX_URL=MIRROR --build-arg TORCH_INDEX=MIRROR .   behind a firewall
#   docker run --rm --read-only --tmpfs /tmp -v MODEL_DIR:/model:ro -v IMAGES:/images:ro -v OUT:/out raemd \
#       predict --model /model -i /images -o /out
#
# OUT must be writable by the user of the container, or give --user "$(id -u):$(id -g)".

FROM python:3.12-slim-bookworm AS build

# the folder of PyTorch's own index: cpu, or that of a CUDA version
ARG TORCH=cpu

# mirrors, as of a hospital, in the place of PyPI, which pip reads as a variable, and of PyTorch's index
ARG PIP_INDEX_URL
ARG TORCH_INDEX=https://download.pytorch.org/whl

ENV PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1

RUN python -m venv /opt/raemd

# torch and torchvision must come from the same index: builds of different ones do not fit together
RUN /opt/raemd/bin/pip install --index-url "${TORCH_INDEX}/${TORCH}" "torch>=2.6" torchvision

COPY setup.cfg setup.py pyproject.toml README.md LICENSE /source/
COPY nnunetv2_raemd /source/nnunetv2_raemd
COPY dataset_conversion /source/dataset_conversion
COPY plans /source/plans

RUN /opt/raemd/bin/pip install "/source[onnx,openvino,dicom,dicomweb,evaluation,explain]"


FROM python:3.12-slim-bookworm

LABEL org.opencontainers.image.title="nnunetv2-raemd" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.description="Lung nodule and tumor segmentation in CT. Research software, not a medical device."

COPY --from=build /opt/raemd /opt/raemd

# Everything that is written goes to /tmp or to mounted folders, so that the file system may be read-only.
# Predicting with an exported model needs none of nnU-Net's folders: for training, mount and name them (-e).
ENV PATH=/opt/raemd/bin:$PATH \
    HOME=/tmp \
    MPLCONFIGDIR=/tmp/matplotlib \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    nnUNet_raw=/tmp \
    nnUNet_preprocessed=/tmp \
    nnUNet_results=/tmp

# a fixed number, so that volumes can be prepared for it
USER 10001:10001

WORKDIR /tmp

# as Ctrl-C: the first process of a container ignores SIGTERM, and would be killed after ten seconds
STOPSIGNAL SIGINT

HEALTHCHECK --interval=5m --timeout=60s --start-period=60s CMD ["raemd", "info"]

ENTRYPOINT ["raemd"]
CMD ["--help"]
