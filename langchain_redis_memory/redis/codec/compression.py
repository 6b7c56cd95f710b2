"""Deflated bytes with a preset dictionary, which makes nearly free what every model and every serialiser repeats.

The code table is deflate's fixed one: it is inflated nearly twice as fast as a table of its own, for 6% more bytes.
"""

from __future__ import annotations

import zlib

_DICTIONARY = (
    b" would should could about which there their these other because when where what how why who have will can "
    b"also into more most some such than then they your with from that this are was were for the and of to in is a "
    b"system_fingerprint\xaamodel_name\xb0safety_ratings\xa5logprobs\xc0\xaestop_reason\xa8end_turn\xa8tool_use"
    b"\xadstop_sequence\xc0\xaacreated_at\xa4done\xc3\xabdone_reason\xaetotal_duration\xadload_duration"
    b"\xb1prompt_eval_count\xabeval_count\xa4type\xa4text\xa9tool_call\xa4args\xa4name\xa2id\xa5call_\xa9function"
    b"\xa9arguments\xabrefusal\xc0\xabtoken_usage\x86\xb1completion_tokens\xadprompt_tokens\xactotal_tokens"
    b"\xb9completion_tokens_details\x84\xbaaccepted_prediction_tokens\x00\xacaudio_tokens\x00\xb0reasoning_tokens\x00"
    b"\xbarejected_prediction_tokens\x00\xb5prompt_tokens_details\x82\xacaudio_tokens\x00\xadcached_tokens\x00"
    b"\xaemodel_provider\xa6openai\xa9anthropic\xaamodel_name\xb2gpt-4o-mini-2024-07-18\xb2system_fingerprint\xa3fp_"
    b"\xa2id\xa9chatcmpl-\xacservice_tier\xa7default\xadfinish_reason\xa4stop\xa8logprobs\xc0"
    b"\xa1u\x85\xacinput_tokens\xadoutput_tokens\xactotal_tokens\xb3input_token_details\x82\xa5audio\x00"
    b"\xaacache_read\x00\xb4output_token_details\x82\xa5audio\x00\xa9reasoning\x00\xa1r\x83\xa1i\xd9\x2clc_run--019"
    b"\x86\xa1v\x04\xa2ts\xa92026-11-2\xa2id\xa31f0\xadversions_seen\x82\xa9__input_"
    b"_\x80\xa9__start__\x81\xa9__start__\x01\xb0updated_channels\x93\xa9__sta"
    b"rt__\xaabranch:to:\xa8messages\xadpending_sends\x90\x84\xa6source\xa4"
    b"loop\xa4step\x01\xa7parents\x80\xa6run_id\xa0\x91\xc7o\x05\x94\xbdlangchain_core."
    b"documents.base\xa8Document\x84\xa2id\xc0\xa8metadata\x81\xa6source\xa0\xacp"
    b"age_content\xa0\xa4type\xa8Document\xb3model_validate_json\x91\xc7"
    b"\xae\x05\x94\xbclangchain_core.messages.tool\xabToolMessage\x89\xa7co"
    b"ntent\xa0\xb1additional_kwargs\x80\xb1response_metadata\x80\xa4typ"
    b"e\xa4tool\xa4name\xc0\xa2id\xc0\xactool_call_id\xa5call_\xa8artifact\xc0\xa6st"
    b"atus\xa7success\xb3model_validate_json\x91\xc7\x85\x05\x94\xbdlangchain_"
    b"core.messages.human\xacHumanMessage\x86\xa7content\xa0\xb1addit"
    b"ional_kwargs\x80\xb1response_metadata\x80\xa4type\xa5human\xa4name"
    b"\xc0\xa2id\xa0\xb3model_validate_json\x91\xc7\xb7\x05\x94\xbalangchain_core.me"
    b"ssages.ai\xa9AIMessage\x89\xa7content\xa0\xb1additional_kwargs\x80"
    b"\xb1response_metadata\x80\xa4type\xa2ai\xa4name\xc0\xa2id\xablc_run--019"
    b"\xaatool_calls\x90\xb2invalid_tool_calls\x90\xaeusage_metadata\xc0"
    b"\xb3model_validate_json"
)
"""Shared by all deflated bytes: changing one byte of it makes what is stored unreadable."""

_LONGEST_BYTES = 512 * 1024 * 1024  # a Redis string is not longer; crafted bytes must not fill the memory


def deflate(data: bytes) -> bytes | None:
    """Bytes made shorter.

    Args:
        data: Any bytes.

    Returns:
        The shorter bytes; None where they would not be.
    """
    deflater = zlib.compressobj(6, zlib.DEFLATED, -15, 9, zlib.Z_FIXED, _DICTIONARY)
    small = deflater.compress(data) + deflater.flush()
    return small if len(small) < len(data) else None


def inflate(data: bytes) -> bytes:
    """The bytes that `deflate` made shorter.

    Args:
        data: What it gave.

    Returns:
        The bytes.

    Raises:
        ValueError: They are cut off, followed by something else, or too long.
    """
    inflater = zlib.decompressobj(-15, _DICTIONARY)
    whole = inflater.decompress(data, _LONGEST_BYTES)
    if not inflater.eof or inflater.unused_data:
        msg = "deflated bytes are cut off, followed by something else, or too long"
        raise ValueError(msg)
    return whole
