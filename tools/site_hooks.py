"""mkdocs: README.md and CONTRIBUTING.md are pages too, with their links as they are from docs/."""

from pathlib import Path

from mkdocs.structure.files import File


def on_files(files, config):
    """Add both pages and the figures; a link that is not found fails the build as any other."""
    root = Path(config.config_file_path).parent
    for page, name in (("README.md", "index.md"), ("CONTRIBUTING.md", "CONTRIBUTING.md")):
        content = (root / page).read_text().replace("](docs/", "](")
        files.append(File.generated(config, name, content=content))
    for figure in sorted(root.glob("paper_figures/*.png")):
        files.append(
            File.generated(config, f"paper_figures/{figure.name}", abs_src_path=str(figure))
        )
    return files
