"""The packages, and the start-up line by which nnU-Net finds our trainers: what setup.cfg cannot say.

nnU-Net looks for external trainers in the folders that the environment variable `nnUNet_extTrainer` lists.
Python executes the lines of `*.pth` files in site-packages when it starts, so a `.pth` file there sets the
variable in every process of the environment: `nnUNetv2_train`, `nnUNetv2_predict` and the workers they spawn.
"""

from pathlib import Path

from setuptools import Command, find_packages, setup
from setuptools.command.build import build

PROJECT = Path(__file__).resolve().parent
PACKAGE = "nnunetv2_raemd"
# Folders of the top level that are installed as parts of the package.
BESIDE = ("dataset_conversion", "plans")
PTH_NAME = "nnunetv2_raemd.pth"

# Runs at the start of every Python process: only `os` and `sys`, which are loaded by then, and no error may
# escape. Child processes inherit the variable, and `site` reads a `.pth` of a virtual environment twice:
# hence the look at what is listed already.
STARTUP = """
try:
    import os, sys
    folder = os.path.join({site_packages}, "nnunetv2_raemd", "nnunet_trainers")
    listed = os.environ.get("nnUNet_extTrainer", "")
    if folder not in listed.split(os.pathsep) and os.path.isdir(folder):
        os.environ["nnUNet_extTrainer"] = listed + os.pathsep + folder if listed else folder
except Exception:
    pass
"""

# Frames seen from within STARTUP: itself, the line of the .pth, and `site.addpackage`, which reads the .pth
# and knows the folder it lies in.
INSTALLED = 'sys._getframe(2).f_locals["sitedir"]'


def startup_line(site_packages: str) -> str:
    """The line of the `.pth`: `site` executes a line only if it starts with `import`.

    `site_packages` is a Python expression for the folder that holds `nnunetv2_raemd`.
    """
    startup = STARTUP.format(site_packages=site_packages)
    # in ASCII, because the encoding of .pth files depends on the version of Python
    return f"import sys; exec({startup!a}, {{}})\n"


class BuildStartup(Command):
    """Put the `.pth` into the root of the wheel, which pip installs to and uninstalls from site-packages."""

    user_options = []  # noqa: RUF012 - distutils wants this attribute
    editable_mode = False

    def initialize_options(self):
        self.build_lib = None

    def finalize_options(self):
        self.set_undefined_options("build_py", ("build_lib", "build_lib"))

    def run(self):
        if self.editable_mode:
            # build_lib is thrown away, and the package stays in the checkout
            root, line = self.get_finalized_command("install").install_lib, startup_line(ascii(str(PROJECT)))
        else:
            root, line = self.build_lib, startup_line(INSTALLED)
        self.mkpath(root)
        Path(root, PTH_NAME).write_text(line, encoding="ascii")

    def get_outputs(self):
        return [str(Path(self.build_lib, PTH_NAME))]

    def get_output_mapping(self):
        return {}

    def get_source_files(self):
        return []


class Build(build):
    """setuptools' build with the start-up line as its last step."""

    sub_commands = [*build.sub_commands, ("build_startup", None)]  # noqa: RUF012 - likewise


def packages() -> list[str]:
    """Every folder with an `__init__.py`, in the package and beside it, by the name it is installed under."""
    inside = [PACKAGE, *(f"{PACKAGE}.{name}" for name in find_packages(str(PROJECT / PACKAGE)))]
    beside = [
        f"{PACKAGE}.{'.'.join(parts)}"
        for folder in BESIDE
        for parts in ((folder,), *((folder, name) for name in find_packages(str(PROJECT / folder))))
    ]
    return sorted({*inside, *beside})


setup(
    packages=packages(),
    package_dir={f"{PACKAGE}.{folder}": folder for folder in BESIDE},
    cmdclass={"build": Build, "build_startup": BuildStartup},
)
