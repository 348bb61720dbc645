"""mkdocs: README, CONTRIBUTING, the notebooks and the report of the reference are pages too."""

import re
import shutil
from pathlib import Path

import latex2mathml.converter
from mkdocs.structure.files import File
from nbconvert import MarkdownExporter

from seesaw.results.report import content, page
from seesaw.spec import figures
from seesaw.spec.scales import Scale

REFERENCE = f"reference/{figures.SHOWN}"
# The badge of CI, whose address only a page of GitHub can resolve.
GITHUB = re.compile(r"^.*\]\(\.\./\.\./actions/.*\n", re.MULTILINE)
FORMULA = re.compile(r"```.*?```|\$([^$\n]+(?:\n[^$\n]+)?)\$", re.DOTALL)  # or a block of code


def notebooks(config):
    """Name -> path of the committed notebooks."""
    root = Path(config.config_file_path).parent
    paths = {name: root / figures.committed(name)["ipynb"] for name in figures.FIGURES}
    return {name: path for name, path in paths.items() if path.is_file()}


def on_config(config):
    """Add the notebooks to the navigation, each under its own title."""
    (results,) = (part for part in config.nav if "Read the results" in part)
    pages = [f"notebooks/{name}.md" for name in notebooks(config)]
    results["Read the results"].append({"Notebooks": pages})
    return config


def mathml(match):
    """A formula as browsers draw it without a script; a span, because it is part of a line."""
    if match[1] is None:  # code, whose strings can contain formulas
        return match[0]
    formula = latex2mathml.converter.convert(match[1].replace(r"\displaystyle", ""))
    return f"<span>{formula}</span>"


def on_files(files, config):
    """Add the pages and the figures; a link that is not found fails the build as any other."""
    root = Path(config.config_file_path).parent
    for name, target in (("README.md", "index.md"), ("CONTRIBUTING.md", "CONTRIBUTING.md")):
        text = GITHUB.sub("", (root / name).read_text()).replace("](docs/", "](")
        files.append(File.generated(config, target, content=text))
    for figure in figures.FIGURES:
        for path in figures.committed(figure).values():
            if (root / path).is_file():  # of a figure that the reference holds
                source = str(root / path)
                files.append(File.generated(config, path.as_posix(), abs_src_path=source))
    for name, path in notebooks(config).items():
        place = {"unique_key": name, "output_files_dir": f"{name}_files"}
        text, made = MarkdownExporter().from_filename(str(path), resources=place)
        text = FORMULA.sub(mathml, text)
        files.append(File.generated(config, f"notebooks/{name}.md", content=text))
        for picture, drawn in made["outputs"].items():
            files.append(File.generated(config, f"notebooks/{picture}", content=drawn))
    report = page.render(content.gather(Scale(figures.SHOWN).frozen()))
    files.append(File.generated(config, f"{REFERENCE}/report/report.html", content=report))
    return files


def on_post_build(config):
    """Add the files to which the report leads."""
    root = Path(config.config_file_path).parent
    shutil.copytree(root / REFERENCE, Path(config.site_dir, REFERENCE), dirs_exist_ok=True)
