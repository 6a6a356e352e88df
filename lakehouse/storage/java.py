"""Which Java Spark runs in, and the class archive that spares it a third of its first seconds.

The archive has Spark's classes loaded and verified: Java maps it instead of doing both in every process
(https://docs.oracle.com/en/java/javase/17/vm/class-data-sharing.html). `class_archive` writes it, at set-up.
"""

import hashlib
import os
import re
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

from lakeloop.exceptions import MissingToolError
from lakeloop.settings import PROJECT

JAVA_VERSIONS = (17, 21)
WANTED = " or ".join(map(str, JAVA_VERSIONS))
INSTALL_JAVA = "install it with `sudo apt-get install openjdk-17-jre-headless`"
ARCHIVES = PROJECT / ".tools"


def java_command() -> str:
    """The `java` of JAVA_HOME, else of the PATH.

    Raises:
        MissingToolError: there is none.
    """
    home = os.environ.get("JAVA_HOME")
    java = shutil.which("java", path=str(Path(home) / "bin")) if home else shutil.which("java")
    if java is None:
        where = f"in JAVA_HOME ({home})" if home else "on the PATH"
        raise MissingToolError(f"Spark needs Java {WANTED}, and there is no `java` {where}; {INSTALL_JAVA}")
    return java


def check_java() -> int:
    """The major version of the Java that Spark will use.

    Raises:
        MissingToolError: there is none, or it is neither 17 nor 21.
    """
    java = java_command()
    answer = subprocess.run([java, "-version"], capture_output=True, text=True, check=False)
    found = re.search(r'version "(\d+)', answer.stderr + answer.stdout)
    if found is None or int(found[1]) not in JAVA_VERSIONS:
        named = f"is version {found[1]}" if found else "does not tell its version"
        raise MissingToolError(f"Spark needs Java {WANTED}, and {java} {named}; {INSTALL_JAVA} and set JAVA_HOME to it")
    return int(found[1])


def archive_file(folder: Path = ARCHIVES) -> Path:
    """Where the class archive of this Java and this Spark is, or would be."""
    java = Path(java_command()).resolve()
    release = java.parent.parent / "release"
    spark = find_spec("pyspark")
    assert spark is not None and spark.origin is not None
    core = next(Path(spark.origin).parent.glob("jars/spark-core_*.jar"))
    told = release.read_text(encoding="utf-8") if release.is_file() else str(java)
    key = hashlib.sha256(f"{told}{core}{core.stat().st_mtime_ns}".encode()).hexdigest()
    return folder / f"spark-classes-{key[:12]}.jsa"


def archive_options(folder: Path = ARCHIVES) -> str:
    """What Java is told to take Spark's classes from the archive; nothing where there is none.

    An archive that does not fit after all is left aside by Java, which says so in Spark's log at most.
    """
    archive = archive_file(folder)
    return f"-XX:SharedArchiveFile={archive} -Xlog:disable -Xlog:all=warning:stderr" if archive.is_file() else ""
