"""How often the measure `toxicity` errs on sentences of technical text and on toxic ones.

    python -m benchmarks.curation.toxicity [--classifier PATH --label LABEL [--fasttext] [--cut 0.5]]

The sentences are written by hand: technical ones with words that elsewhere are violent, sexual or insulting, and
toxic ones in the tone of comments, half of them without a word that a list could know. A sentence is flagged when it
holds any word of the list (what C4 drops a page for), or when the classifier gives at least `--cut`.
"""

from __future__ import annotations

import argparse
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from pipeline_config.measure import FastTextToxicity, Toxicity, TransformersToxicity, WordListToxicity
from tasks.curation.measures.toxicity import toxicity_scorer
from tasks.runtime.artifact import InputFile, InputFiles

TECHNICAL = """\
If the worker hangs, kill the process and start it again.
Abort the child before the parent exits, or it becomes a zombie.
The master sends its log to every slave once a second.
Execute the script as root and watch the output.
A penetration test of the login page found two open ports.
Plug in a dummy load before you test the amplifier.
A single bad row can blow up the whole pipeline.
Orphaned children are reaped by init.
The daemon forks a child and kills it after the timeout.
Use kill -9 only if the process ignores SIGTERM.
How to kill a process that listens on port 8080.
The attack surface of the service shrinks when ports are closed.
Inject the dependency through the constructor.
The exploit triggers a heap overflow in the parser.
Strip the debug symbols from the binary.
Mount the naked volume without a file system.
The male connector fits into the female socket.
Blacklist the address after five failed logins.
The victim cache holds lines that were evicted.
A man in the middle can read the handshake.
Dump the core and hang the thread on purpose.
The host was nuked and rebuilt from the image.
Poison the cache entry, then flush it.
The garbage collector stops the world.
Shoot the other node in the head: STONITH prevents split brain.
Deadlock: both threads starve each other.
The grandparent adopts the bastard process in this old manual.
The column sex holds M, F or X.
Escape the backslash, or the regex will choke.
This API sucks in the whole file before it parses it.
The cluster is under attack by a botnet.
Drop the table and truncate the children.
A hard failure destroys the shard.
Terminate the instance and execute the termination policy.
The bondage of the two network interfaces is called bonding.
Escort visitors to the data centre at all times.
Section tied up resources are released on exit.
Sexual harassment must be reported to the compliance officer.
Rape seed oil and other commodities are in table xx of the annex.
The butt joint of the pipe is welded.
Use double quotes: the shell eats single ones.
The race condition kills throughput.
Fatal: bad object HEAD.
The slave drive is set by a jumper.
The suicide burn of the rocket stage is simulated in chapter 4.
Every packet that reaches the sinkhole dies there.
The injection molding machine crushed the test part.
White box and black box tests are both required.
""".splitlines()

TOXIC = """\
This fucking update broke everything again, you idiots.
What a piece of shit, and so is whoever wrote it.
Shut up, bitch, nobody asked you.
You are an asshole and your code is crap.
Only a retarded monkey would write such a function.
Go fuck yourself and your stupid ticket.
He is a lying bastard and should be fired.
Suck my dick, moderator.
That slut in marketing got the job for other reasons.
I will rape your inbox and then you.
Bullshit, you cunt, read the manual.
The new hire has nice tits and nothing else.
You are too stupid to breathe.
People like you should not be allowed to live.
I know where you live and I will hurt your family.
Nobody would miss you if you jumped.
Go back to where you came from, we do not want your kind here.
Women cannot program, they belong in the kitchen.
You are vermin, and vermin gets exterminated.
Hope you get cancer and die slowly.
All of them are thieves, it is in their blood.
What an ugly, worthless pig you are.
Your mother should have thrown you away.
Somebody ought to put a bullet in his head.
""".splitlines()


def input_files(pattern: str) -> InputFiles:
    """The files of a glob, or one file, or those of a folder."""
    path = Path(pattern)
    found = sorted(path.rglob("*") if path.is_dir() else path.parent.glob(path.name))
    files = tuple(InputFile(name=file.name, path=file, sha256="", size=file.stat().st_size) for file in found)
    return InputFiles(node="files:toxicity", fingerprint="", files=files, sources=("",) * len(files))


def word_lists() -> InputFiles:
    """The lists that come with the product."""
    spec = find_spec("tasks.curation")
    assert spec is not None
    assert spec.origin is not None
    return input_files(str(Path(spec.origin).parent / "word_lists" / "naughty_words" / "*.json"))


def flagged(config: Toxicity, files: InputFiles, sentences: list[str], cut: float) -> np.ndarray:
    """Which sentences reach the cut (N,)."""
    words = np.array([len(sentence.split()) for sentence in sentences])
    scores = toxicity_scorer(config, files).measure(sentences, np.array(["en"] * len(sentences), object), words)
    return scores >= cut


def error_rates(config: Toxicity, files: InputFiles, cut: float) -> tuple[np.ndarray, np.ndarray]:
    """Technical sentences that are flagged, and toxic ones that are not."""
    return flagged(config, files, TECHNICAL, cut), ~flagged(config, files, TOXIC, cut)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--classifier", metavar="PATH")
    parser.add_argument("--label", default="toxic")
    parser.add_argument("--fasttext", action="store_true")
    parser.add_argument("--cut", type=float, default=0.5)
    arguments = parser.parse_args()
    if arguments.classifier:
        kind = FastTextToxicity if arguments.fasttext else TransformersToxicity
        name = "fasttext" if arguments.fasttext else "transformers"
        configs: list[tuple[str, Toxicity, InputFiles, float]] = [
            (
                arguments.classifier,
                kind(kind=name, path=arguments.classifier, label=arguments.label),
                input_files(arguments.classifier),
                arguments.cut,
            )
        ]
    else:
        some = ("how to kill", "sex", "xx", "escort", "butt", "bastard", "bondage", "tied up", "sucks")
        configs = [
            ("word lists", WordListToxicity(kind="words"), word_lists(), 1e-9),
            (f"without {', '.join(some)}", WordListToxicity(kind="words", exclude=some), word_lists(), 1e-9),
        ]
    print("| measure | technical sentences flagged | toxic sentences missed |\n|---|---|---|")
    for name, config, files, cut in configs:
        wrong, missed = error_rates(config, files, cut)
        print(f"| {name} | {wrong.sum()} of {len(wrong)} | {missed.sum()} of {len(missed)} |")
    for sentence in (sentence for sentence, bad in zip(TECHNICAL, wrong, strict=True) if bad):
        print("flagged:", sentence)


if __name__ == "__main__":
    sys.exit(main())
