# %% [markdown]
# # How much risk, how many hits?
#
# Pairs of questions, some the same in other words, some different in almost the same words. For each: the cosine of
# a real embedding model, and the verifier's probability that they ask the same. Needs the extra `local` (a model
# that runs offline).

# %%
from langchain_redis_memory import MiniLMEmbeddings, VerifiedPolicy

PAIRS = [
    (True, "How tall is the Eiffel Tower?", "how tall is the Eiffel tower"),
    (True, "How do I reset my password?", "How can I reset my password?"),
    (True, "What does the premium plan cost?", "What is the cost of the premium plan?"),
    (False, "How tall is the Eiffel Tower?", "How old is the Eiffel Tower?"),
    (False, "How do I enable the alarm?", "How do I disable the alarm?"),
    (False, "How long is a flight from Paris to Rome?", "How long is a flight from Rome to Paris?"),
    (False, "How far is 5 miles in kilometres?", "How far is 6 miles in kilometres?"),
]
vectors = MiniLMEmbeddings().embed_documents([text for _, *pair in PAIRS for text in pair])
cosines = [sum(a * b for a, b in zip(*vectors[at : at + 2], strict=True)) for at in range(0, len(vectors), 2)]
policy = VerifiedPolicy()
judged = [policy.judge(asked, stored, cosine) for (_, asked, stored), cosine in zip(PAIRS, cosines, strict=True)]
for (same, asked, stored), cosine, judgement in zip(PAIRS, cosines, judged, strict=True):
    print(
        f"{'same' if same else 'OTHER':6} cosine {cosine:.2f}  verified {judgement.probability:.2f}  {asked} / {stored}"
    )

# %% [markdown]
# Now choose a threshold of the cosine. Every one that serves the pairs which are the same also serves pairs which
# are not.


# %%
def count(name: str, served: list[bool]) -> None:
    """Hits that are right, and hits that are wrong."""
    right = [same for (same, _, _), serve in zip(PAIRS, served, strict=True) if serve]
    print(f"{name}: {sum(right)} hits, {len(right) - sum(right)} wrong")


count("cosine from 0.85", [cosine >= 0.85 for cosine in cosines])
count("cosine from 0.95", [cosine >= 0.95 for cosine in cosines])
count("verified", [judgement.probability >= 0.5 for judgement in judged])

# %% [markdown]
# Seven pairs prove nothing; docs/benchmarks.md has five public sets. On your own questions: `langchain-redis-memory
# replay`.
