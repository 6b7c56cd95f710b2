"""Fits the classifier's weights and thresholds and writes them into the package.

    python -m benchmarks.training.train_classifier --data DIR [--check]

Fitted on TREC CAsT 2019 and 2020 (MIT), GECOR's CamRest676 (CC BY 4.0, Quan et al. 2019, arXiv 1909.12086), TIAGE (MIT)
for the change of topic, banking77 (CC BY 4.0, Casanueva et al. 2020, arXiv 2003.04807) as new topics behind other
conversations, and what `generated.py` writes; `SOURCE` says what each counts. The logistic weights have a prior
that says what a linguist expects of each sign (`EXPECTED`), and a sign can only count the way it is meant to: so a
source's accidents do not become rules.

Thresholds: each source is judged by weights fitted without it; of its dependent turns the wanted share may lie below
the threshold, and the worst source decides. `--check` also prints how weights fitted without a source do on it, and
on CANARD (CC BY-SA 4.0), on which nothing is fitted.
"""

from __future__ import annotations

import argparse
import json
import pickle
import random
from dataclasses import replace
from importlib import resources
from pathlib import Path

import numpy as np
import numpy.typing as npt
from langchain_core.messages import AIMessage, HumanMessage

from benchmarks.quality.conversations import Case, cases, fold, foreign, turns
from benchmarks.quality.turns import half
from benchmarks.training.generated import generated
from benchmarks.training.logit import Array, fit, model, scores
from benchmarks.training.train_recall import fit_recall
from langchain_redis_memory.language.classify.signs import signs
from langchain_redis_memory.language.classify.similarity_features import (
    UNRELATED,
    around,
    cosines,
    features,
    unlike,
)
from langchain_redis_memory.language.classify.tokens import EACH, past
from langchain_redis_memory.language.lexicon import lexicon
from langchain_redis_memory.language.logistic import probability
from langchain_redis_memory.language.turn_tokens import read
from langchain_redis_memory.vectors.minilm import MiniLMEmbeddings

EXPECTED = {
    "pronoun": 2.5, "demonstrative": 2, "there": 2, "anaphor": 1.2, "pronoun_doubtful": 1,
    "pronoun_across": 1, "comparative": 1.5,
    "comparison": 1.5, "opening_phrase": 1.5, "phrase": 1, "opener": 1, "definite": 1, "definite_long": 0.5,
    "definite_known": 0.5, "relation_open": 1, "relation_doubtful": 0.3, "existence": 1, "no_object": 1,
    "no_subject": 1.5,
    "headless": 1.5, "evaluative": 0.3, "bare_question": 3, "fragment": 0.5, "no_anchor": 1, "no_content": 2,
    "part_of_name": 1, "reply": 1, "statement": 0.3, "only_comment": 2, "only_acknowledges": 2,
    "comparative_noun": 0.5, "acknowledges": 0.3, "compound": -0.3, "named": -0.5, "names": -0.3, "anchors": -1,
    "two_anchors": -0.4, "three_anchors": -0.4, "relation_filled": -0.5, "relation_modified": -0.2, "definition": -1,
    "clean": -0.7, "new_only": -0.3, "new_only_named": -0.3,
    "new_only_answered": -1, "old_clean": -0.3, "specific": -0.5, "own_subject": -0.5, "my_thing": -0.5,
    "novel_many": -0.3, "novel_answered": -0.5, "member": 2, "no_setting": 1, "no_occasion": 1, "no_agent": 1,
    "tells": 1, "edits": 1, "points_anchored": 0.7, "novel_named": -0.5,
    "novel_related": -0.5,
}  # fmt: skip
"""The prior log-odds of each sign; 0 for the others. A sign with a prior never counts the other way."""
LEFT_OUT = {"no_old"}
"""Features that are only parts of others."""
SHARE = {("utterance", True): 0.5, ("utterance", False): 0.1, ("rewrite", False): 0.2, ("splice", False): 0.4}
"""What each kind of case weighs in its source."""
SOURCE = {"cast2019": 1.0, "cast2020": 1.0, "gecor": 0.5, "own": 1.0, "banking": 1.5, "rag": 1.0, "assistant": 1.0}
"""What each source weighs; CamRest repeats a few sentences."""
JUDGED = ("canard", "rag-judged", "assistant-judged")
"""Sources that nothing is fitted on."""
PEOPLE = (("cast2019",), ("cast2020",), ("gecor",), ("rag", "assistant"))
"""Sources that the thresholds come from; two small ones are one."""
USUAL, MARGIN = 0.1, 1.0
"""From which share on no margin is kept; and the largest log-odds by which an unseen source is taken to be worse than
the worst one that was measured."""
UNSAFE = (0.01, 0.02, 0.03, 0.04, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3)


class Data:
    """All cases with their features, vectors and weights."""

    def __init__(self, data: Path, seed: int = 5) -> None:
        english, chance = lexicon("en"), random.Random(seed)
        recorded = turns(data)
        found = [*cases(recorded), *foreign(data, recorded)]
        histories = [case.history for case in found if case.kind == "utterance" and case.source != "canard"]
        found += [*half(0), *(replace(case, source=f"{case.source}-judged") for case in half(1))]
        for turn, dependent, said in generated():
            for _ in range(1 if said else 2):
                kind = "utterance" if dependent else "splice"
                aside = dependent and not said
                before = (HumanMessage(said[0]), AIMessage(said[1])) if said else chance.choice(histories)
                found.append(Case("own", kind, f"own/{'aside/' * aside}{turn}", turn, before, dependent))
        read_ = [signs(read(case.turn), past(case.history, english), english) for case in found]
        kept = [
            place for place, one in enumerate(read_) if not {"only_comment", "only_acknowledges"} & one.features.keys()
        ]  # a mere comment ("Thank you, goodbye.") is set, not weighed
        self.cases, self.read = [found[place] for place in kept], [read_[place] for place in kept]
        self.names = sorted({name for one in self.read for name in one.features} - LEFT_OUT)
        self.x = np.array([[one.features.get(name, 0.0) for name in self.names] for one in self.read])
        self.y = np.array([case.dependent for case in self.cases], float)
        self.source = np.array([case.source for case in self.cases])
        self.kind = np.array([case.kind for case in self.cases])
        self.leans = (self.kind == "utterance") & (self.y == 1)
        self.fitted = ~np.isin(self.source, JUDGED)
        self.fold = np.array([fold(case.conversation) for case in self.cases])
        self.placed = np.array([not case.conversation.startswith("own/aside/") for case in self.cases])
        """Whether the turn is behind a conversation that it may depend on, so that its meaning can be compared."""
        self.vectors: dict[str, npt.NDArray[np.float32]] = {}
        self.compared: list[tuple[list[float], float, bool]] = []
        """What `features` is told of each case besides the signs."""

    def embed(self, kept: Path | None) -> None:
        """Embeds everything that the second model compares; `kept` is a file that keeps the vectors between runs."""
        wanted = set(UNRELATED)
        for case in self.cases:
            texts, joined = around(case.turn, case.history)
            wanted |= {case.turn[:EACH], joined, *texts}
        texts = sorted(wanted)
        if kept is not None and kept.exists():
            with kept.open("rb") as file:
                self.vectors = dict(pickle.load(file))
        missing = [text for text in texts if text not in self.vectors]
        self.vectors.update(zip(missing, MiniLMEmbeddings().vectors(missing), strict=True))
        if kept is not None and missing:
            with kept.open("wb") as file:
                pickle.dump(self.vectors, file)

        zero = unlike([self.vectors[text] for text in UNRELATED])
        self.compared = []
        for case in self.cases:
            around_, joined = around(case.turn, case.history)
            found = [self.vectors[text] for text in (*around_, joined)]
            *similar, pulled = cosines(self.vectors[case.turn[:EACH]], found, zero)
            self.compared.append((similar, pulled, any(isinstance(message, AIMessage) for message in case.history)))

    def meaning(self, log_odds: Array) -> tuple[list[str], Array]:
        """The features of the second model, given the log-odds of the first."""
        every = zip(log_odds, self.compared, self.read, strict=True)
        rows = [features(float(score), *compared, reading.features) for score, compared, reading in every]
        return list(rows[0]), np.array([list(row.values()) for row in rows])

    def weights(self, chosen: npt.NDArray[np.bool_]) -> Array:
        """What each chosen case counts: kinds and sources as in `SHARE` and `SOURCE`."""
        w = np.zeros(len(self.cases))
        for source in set(self.source[chosen]):
            for (kind, dependent), share in SHARE.items():
                cell = chosen & (self.source == source) & (self.kind == kind) & (self.y == dependent)
                if cell.any():
                    w[cell] = min(600 * SOURCE[source] * share / cell.sum(), 3.0)
        return w


def fit_language(data: Data, chosen: npt.NDArray[np.bool_]) -> Array:
    """The weights of the signs."""
    prior = np.array([EXPECTED.get(name, 0.0) for name in data.names])
    one_way = np.array([np.sign(EXPECTED.get(name, 0.0)) for name in data.names])
    w = data.weights(chosen)[chosen]
    return fit(data.x[chosen], data.y[chosen], w, prior, one_way, strength=4)


def fit_meaning(data: Data, x: Array, chosen: npt.NDArray[np.bool_]) -> Array:
    """The weights of the second model."""
    nothing, chosen = np.zeros(x.shape[1]), chosen & data.placed
    return fit(x[chosen], data.y[chosen], data.weights(chosen)[chosen], nothing, nothing, strength=1)


def apart(data: Data) -> dict[str, tuple[Array, Array]]:
    """For each source the log-odds of both models on it, fitted without it (and never on those of `JUDGED`)."""
    found = {}
    for source in (*SOURCE, *JUDGED):
        chosen = (data.source != source.removesuffix("-judged")) & data.fitted
        language = scores(fit_language(data, chosen), data.x)
        _, x = data.meaning(language)
        there = data.source == source
        found[source] = language[there], scores(fit_meaning(data, x, chosen), x)[there]
    return found


def thresholds(data: Data, judged: dict[str, tuple[Array, Array]], model: int) -> dict[str, float]:
    """Share of unsafe turns -> threshold, for a source that nobody has seen.

    Each source was judged by weights fitted without it. The worst one decides; and because the next unseen source may
    be worse by as much again, a bound for less than `USUAL` is lowered once more by what lies between the worst one and
    the next.
    """
    found: dict[str, float] = {}
    for share in UNSAFE:
        lowest = []
        for sources in PEOPLE:
            leans = [judged[source][model][data.leans[data.source == source]] for source in sources]
            lowest.append(float(np.quantile(np.concatenate(leans), share)))
        worst, second, *_ = sorted(lowest)
        spare = min(second - worst, MARGIN) if share < USUAL else 0.0
        found[str(share)] = max(round(probability(worst - spare), 4), *found.values(), 0.0)
    return found


def report(data: Data, judged: dict[str, tuple[Array, Array]]) -> None:
    """Prints how each source is judged by what was fitted without it."""
    for number, name in enumerate(("language", "meaning")):
        for source, both in judged.items():
            there = data.source == source
            p, y, kind = both[number], data.y[there], data.kind[there]
            turns_ = np.sort(p[(kind == "utterance") & (y == 1)])
            if not len(turns_):
                continue
            parts = []
            for share in (0.02, 0.05, 0.1):
                bound = np.quantile(turns_, share)
                found = {
                    "alone": p[(kind == "utterance") & (y == 0)] < bound,
                    "rewrites": p[kind == "rewrite"] < bound,
                    "new topics": p[kind == "splice"] < bound,
                }
                parts.append(", ".join(f"{what} {ok.mean():.2f}" for what, ok in found.items() if len(ok)))
            rewrites = p[kind == "rewrite"]
            balanced = ((turns_ > 0).mean() + (rewrites <= 0).mean()) / 2 if len(rewrites) else float("nan")
            print(f"{name:8} {source:8} balanced {balanced:.3f} | self-contained found at 2/5/10%: {' | '.join(parts)}")


def shipped(data: Data, judged: dict[str, tuple[Array, Array]]) -> None:
    """Prints what the thresholds do, on sources that the weights were not fitted on."""
    for number, name in enumerate(("language", "meaning")):
        for share, bound in thresholds(data, judged, number).items():
            parts = []
            for source, both in judged.items():
                there = data.source == source
                alone = 1 / (1 + np.exp(-both[number])) < bound
                leans, new = data.y[there] == 1, data.kind[there] == "splice"
                unsafe = f"{alone[leans].mean():.3f}" if leans.any() else "-"
                parts.append(f"{source} {unsafe}/{1 - alone[new].mean():.3f}")
            print(f"{name:8} max_unsafe {share}: unsafe/new topics called dependent: {', '.join(parts)}")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--data", type=Path, required=True)
    options.add_argument("--check", action="store_true", help="only print how sources do that were left out")
    options.add_argument("--vectors", type=Path, help="a file that keeps the vectors between runs")
    given = options.parse_args()
    data = Data(given.data)
    data.embed(given.vectors)
    judged = apart(data)
    report(data, judged)
    shipped(data, judged)
    if given.check:
        return
    all_ = data.fitted
    language = fit_language(data, all_)
    names, x = data.meaning(scores(language, data.x))
    meaning = fit_meaning(data, x, all_)
    written = {
        "about": "Written by benchmarks/training/train_classifier.py. "
        "Fitted on TREC CAsT 2019 and 2020 (MIT), CamRest676 with GECOR's annotation (CC BY 4.0; "
        "Wen et al. 2017, Quan et al. 2019), TIAGE (MIT), banking77 (CC BY 4.0; "
        "Casanueva et al. 2020), MemoryBank (MIT), and turns and conversations written for this project (CC0).",
        "linguistic": model(data.names, language, thresholds(data, judged, 0)),
        "embedding": model(names, meaning, thresholds(data, judged, 1)),
    }
    written["recall"] = fit_recall(given.data)
    path = Path(str(resources.files("langchain_redis_memory.language.classify") / "weights.json"))
    path.write_text(json.dumps(written, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
