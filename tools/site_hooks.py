"""mkdocs: README.md is the site's first page, with its links as they are from docs/."""

from pathlib import Path

from mkdocs.structure.files import File


def on_files(files, config):
    """Add the README and the figures; a link that is not found fails the build as any other."""
    root = Path(config.config_file_path).parent
    readme = (root / "README.md").read_text()
    files.append(File.generated(config, "index.md", content=readme.replace("](docs/", "](")))
    for figure in sorted(root.glob("paper_figures/*.png")):
        files.append(
            File.generated(config, f"paper_figures/{figure.name}", abs_src_path=str(figure))
        )
    return files
