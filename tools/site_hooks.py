"""mkdocs: README.md is the site's first page, with its links as they are from docs/."""

from pathlib import Path

from mkdocs.structure.files import File


def on_files(files, config):
    """Add the README; a guide that it does not find fails the build as any broken link."""
    readme = Path(config.config_file_path).with_name("README.md").read_text()
    files.append(File.generated(config, "index.md", content=readme.replace("](docs/", "](")))
    return files
