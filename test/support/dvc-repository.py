"""Makes a repository with DVC and GTO, as their commands would, in one process (each command takes two seconds of its own)."""

import json
import os
import subprocess
import sys
import time

from dvc.repo import Repo
from gto import api as gto

repository, remote, specification = sys.argv[1:4]
with open(specification, encoding="utf-8") as file:
    commits = json.load(file)
os.makedirs(repository)
os.makedirs(remote)
os.chdir(repository)
clock = [1_795_000_000]


def tick():
    # Each commit and tag a minute after the one before: GTO orders by time, in seconds.
    clock[0] += 60
    for who in ("AUTHOR", "COMMITTER"):
        os.environ[f"GIT_{who}_DATE"] = f"{clock[0]} +0000"


def git(*arguments):
    subprocess.run(["git", *arguments], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


git("init", "--quiet", "--initial-branch", "main")
git("config", "user.name", "tester")
git("config", "user.email", "tester@localhost")
repo = Repo.init()
with repo.config.edit() as conf:
    conf["core"]["analytics"] = False
    conf["core"]["remote"] = "store"
    conf["remote"]["store"] = {"url": remote}
repo.close()
for commit in commits:
    for path, text in commit.get("files", {}).items():
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        if os.path.exists(path):
            os.remove(path)
        with open(path, "wb") as file:
            file.write(text.encode("latin-1"))
    repo = Repo()
    for path in commit.get("add", []):
        repo.add(path)
    if commit.get("repro"):
        repo.reproduce()
    repo.close()
    tick()
    git("add", "--all")
    git("commit", "--quiet", "--allow-empty", "-m", "work")
    for name, arguments in commit.get("gto", []):
        # GTO takes the time of the machine for its tags; they are made anew with ours.
        getattr(gto, name)(repository, **arguments)
        tick()
        newest = subprocess.run(
            ["git", "for-each-ref", "--sort=-creatordate", "--count=1", "--format=%(refname:strip=2)", "refs/tags"],
            check=True, capture_output=True, text=True,
        ).stdout.strip()
        git("tag", "--force", "--annotate", "-m", "by gto", newest, newest + "^{commit}")
repo = Repo()
repo.push(all_tags=True)
repo.close()

versions = gto.show(repository, name="mail", registered_only=True)
print(json.dumps([[one["version"], sorted(stage["stage"] for stage in one["stages"])] for one in versions]))
