"""Fits the weights of the signs that a turn asks for what was said before.

    python -m benchmarks.training.train_recall --data DIR [--write]

Fitted on MemoryBank's questions (MIT), the first halves of `recall_phrasings.py` and of `benchmarks/quality/recall`,
and what `generated.py` writes; against
them stand banking77 (CC BY 4.0), TIAGE, CAsT 2019 (MIT) and GECOR (CC BY 4.0). `train_classifier` writes the weights;
this prints how the classifier with the weights that are shipped does on what was left out.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from langchain_core.messages import AIMessage, HumanMessage

from benchmarks.quality.conversations import tiage, turns
from benchmarks.quality.recall import half, held
from benchmarks.training.generated import recalls
from benchmarks.training.logit import fit, model
from benchmarks.training.recall_phrasings import half as phrasings
from langchain_redis_memory.language.classify import LinguisticClassifier
from langchain_redis_memory.language.classify import weights as weights_module
from langchain_redis_memory.language.classify.question_type import QuestionType
from langchain_redis_memory.language.classify.recall_signs import asking_part, recall_signs
from langchain_redis_memory.language.english import straight
from langchain_redis_memory.language.lexicon import lexicon
from langchain_redis_memory.language.turn_tokens import read

EXPECTED = {
    "asks": 0.5, "states": -1, "how_do": -2, "where_do": -1, "wh_was": 0.5, "again_first": 2.5,
    "unreal": -2, "said_asked": 3, "said_clause": 2.5, "says": 0.5, "other_said": -1, "past_i": 1, "past_we": 1.5,
    "past_you": 0, "past_asked": 1, "mood_i": -2, "mood_you": -1, "living_i": 3, "living_you": -1, "am_i": 2.5,
    "life_asked": 3.5, "life": 0, "why": -1, "said_for": 0.5, "my_asked": 0.5, "memory": 1, "memory_first": 1.5,
    "memory_of": 2, "memory_to": -2, "memory_exchange": 1, "back": 1, "back_end": 1.5, "about_me": 1.5, "exchange":
    1.5, "ordinal": 1.5, "exchange_this": 1, "exchange_asked": 1.5, "third": -1, "looks_back": 2.5, "long": -1.5,
    "told": 3, "announces": -3, "looks_was": 1.5, "again_please": 2, "chitchat": -2,
    "did_you_wh": 2, "did_you": 1, "did_we_wh": 1, "did_we": 0.5, "did_i_wh": 1.5, "did_i": 0, "did_end": 1,
    "deed_you": 3, "deed_we": 1.5, "deed_i": 2, "were_we": 2.5, "was_my": 1, "was_again": 2, "was_it": 3,
}  # fmt: skip
"""The prior log-odds of each sign."""
SEEN = 12
"""How often two neighbours have to be seen to get a weight."""
LEAST = 0.1
"""The least weight of two neighbours that is kept."""


def others(data: Path) -> dict[str, list[str]]:
    """Turns that hardly ever ask for what was said, by source."""
    found = {
        "banking77": [json.loads(line)["text"] for line in (data / "banking77_train.jsonl").open(encoding="utf-8")],
        "tiage": [text for _, said in tiage(data) for text, _ in said],
    }
    for turn in turns(data):
        found.setdefault(turn["source"], []).append(turn["question"])
    return found


def fit_recall(data: Path) -> dict[str, Any]:
    """The weights of the signs, as they are written.

    Args:
        data: The directory of the data.
    """
    english, plain = lexicon("en"), others(data)
    asked, not_asked = ([*one, *other] for one, other in zip(half(0), phrasings(0), strict=True))
    made = list(recalls())
    remembered = [line for line in (data / "recall_questions.txt").read_text("utf-8").splitlines() if line]
    groups = [
        (remembered, 1, 1.0), (asked, 1, 1.5), (not_asked, 0, 2.0),
        ([text for text, is_one in made if is_one], 1, 0.3), ([text for text, is_one in made if not is_one], 0, 0.5),
        (plain["banking77"], 0, 0.03), (plain["tiage"], 0, 0.06), (plain["cast2019"], 0, 0.2),
        (sorted(set(plain["gecor"])), 0, 0.1),
    ]  # fmt: skip
    parts = [(asking_part(straight(" ".join(text.split())), english), y, w) for texts, y, w in groups for text in texts]
    rows = [(recall_signs(read(part), english), y, weight) for part, y, weight in parts if part]
    seen = Counter(name for signs, _, _ in rows for name in signs)
    names = sorted(name for name, times in seen.items() if " " not in name or times >= SEEN)
    x = np.array([[signs.get(name, 0.0) for name in names] for signs, _, _ in rows])
    y, w = np.array([row[1] for row in rows], float), np.array([row[2] for row in rows])
    prior = np.array([EXPECTED.get(name, 0.0) for name in names])
    strength = np.array([4.0 if " " in name else 2.0 for name in names])
    fitted = model(names, fit(x, y, w, prior, np.zeros(len(names)), strength))
    fitted["weights"] = {name: one for name, one in fitted["weights"].items() if " " not in name or abs(one) >= LEAST}
    return fitted


def write(fitted: dict[str, Any]) -> None:
    """Writes the weights into those of the classifiers."""
    place = Path(weights_module.__file__).parent / "weights.json"
    place.write_text(json.dumps({**json.loads(place.read_text("utf-8")), "recall": fitted}, indent=1) + "\n", "utf-8")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--data", type=Path, required=True)
    options.add_argument("--write", action="store_true")
    given = options.parse_args()
    if given.write:
        write(fit_recall(given.data))
    classifier = LinguisticClassifier()
    history = [HumanMessage("What is throat cancer?"), AIMessage("A tumour of the larynx or pharynx.")]
    sets: dict[str, list[str]] = {}
    for number, name in ((0, "tuned on"), (1, "judged")):
        for kind, drawn in (("phrasings", phrasings), ("recall", half)):
            sets |= dict(zip((f"{kind} asked, {name}", f"{kind} not asked, {name}"), drawn(number), strict=True))
    sets |= dict(zip(("recall asked, held out", "recall not asked, held out"), held(), strict=True))
    for name, texts in {**sets, **others(given.data)}.items():
        taken = [classifier.classify(text, history).type is QuestionType.HISTORY_RECALL for text in texts if text]
        print(f"taken for a question of recall: {name} {np.mean(taken):.4f} of {len(taken)}")


if __name__ == "__main__":
    main()
