"""mkdocs: README.md and CONTRIBUTING.md are pages too, and so is the report of the reference."""

import shutil
from pathlib import Path

from mkdocs.structure.files import File

from seesaw.results.report import content, page
from seesaw.spec import figures
from seesaw.spec.scales import Scale

REFERENCE = f"reference/{figures.SHOWN}"


def on_files(files, config):
    """Add the pages and the figures; a link that is not found fails the build as any other."""
    root = Path(config.config_file_path).parent
    for name, target in (("README.md", "index.md"), ("CONTRIBUTING.md", "CONTRIBUTING.md")):
        text = (root / name).read_text().replace("](docs/", "](")
        files.append(File.generated(config, target, content=text))
    for figure in figures.FIGURES:
        for path in figures.committed(figure).values():
            if (root / path).is_file():  # of a figure that the reference holds
                source = str(root / path)
                files.append(File.generated(config, path.as_posix(), abs_src_path=source))
    report = page.render(content.gather(Scale(figures.SHOWN).frozen()))
    files.append(File.generated(config, f"{REFERENCE}/report/report.html", content=report))
    return files


def on_post_build(config):
    """Add the files to which the report leads."""
    root = Path(config.config_file_path).parent
    shutil.copytree(root / REFERENCE, Path(config.site_dir, REFERENCE), dirs_exist_ok=True)
