"""The text side: a SentencePiece vocabulary of the prompt grammar and a UMT5 encoder, names as published."""

import base64
import collections
import io
import json
import math
import re

import torch
from torch import nn
import torch.nn.functional as F


class SelfAttention(nn.Module):
    """T5's attention: not scaled, with learned biases for distances (UMT5: in every layer)."""

    def __init__(self, c):
        super().__init__()
        inner = c["num_heads"] * c["d_kv"]
        self.heads, self.buckets, self.furthest = c["num_heads"], c["relative_attention_num_buckets"], c["relative_attention_max_distance"]
        self.q, self.k, self.v = (nn.Linear(c["d_model"], inner, bias=False) for _ in range(3))
        self.o = nn.Linear(inner, c["d_model"], bias=False)
        self.relative_attention_bias = nn.Embedding(self.buckets, self.heads)

    def _bias(self, n):
        distance = torch.arange(n)[None, :] - torch.arange(n)[:, None]
        half = self.buckets // 2
        exact = half // 2
        d = distance.abs()
        far = exact + (torch.log(d.clamp(min=1).float() / exact) / math.log(self.furthest / exact) * (half - exact)).long()
        bucket = (distance > 0) * half + torch.where(d < exact, d, far.clamp(max=half - 1))
        return self.relative_attention_bias(bucket).permute(2, 0, 1)[None]

    def forward(self, x, mask):
        b, n, _ = x.shape
        split = lambda y: y.view(b, n, self.heads, -1).transpose(1, 2)
        bias = self._bias(n).masked_fill(~mask[:, None, None, :], -1e9)
        y = F.scaled_dot_product_attention(split(self.q(x)), split(self.k(x)), split(self.v(x)), attn_mask=bias, scale=1.0)
        return self.o(y.transpose(1, 2).reshape(b, n, -1))


class Norm(nn.Module):
    def __init__(self, dim, eps):
        super().__init__()
        self.weight, self.eps = nn.Parameter(torch.ones(dim)), eps

    def forward(self, x):
        return self.weight * x * torch.rsqrt(x.square().mean(-1, keepdim=True) + self.eps)


class GatedFeedForward(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.wi_0, self.wi_1 = (nn.Linear(c["d_model"], c["d_ff"], bias=False) for _ in range(2))
        self.wo = nn.Linear(c["d_ff"], c["d_model"], bias=False)

    def forward(self, x):
        return self.wo(F.gelu(self.wi_0(x), approximate="tanh") * self.wi_1(x))


class TextEncoder(nn.Module):
    """Class UMT5EncoderModel. ids [batch, tokens] with 0 as padding -> [batch, tokens, d_model], zero at the padding."""

    def __init__(self, config):
        super().__init__()
        self.config, c = config, config
        eps = c["layer_norm_epsilon"]
        self.shared = nn.Embedding(c["vocab_size"], c["d_model"])
        self.encoder = nn.Module()
        self.encoder.block = nn.ModuleList()
        for _ in range(c["num_layers"]):
            attention, feed = nn.Module(), nn.Module()
            attention.SelfAttention, attention.layer_norm = SelfAttention(c), Norm(c["d_model"], eps)
            feed.DenseReluDense, feed.layer_norm = GatedFeedForward(c), Norm(c["d_model"], eps)
            block = nn.Module()
            block.layer = nn.ModuleList([attention, feed])
            self.encoder.block.append(block)
        self.encoder.final_layer_norm = Norm(c["d_model"], eps)
        self._initialise(c)

    def _initialise(self, c):
        d, h, k = c["d_model"], c["num_heads"], c["d_kv"]
        deviations = {"q.weight": (d * k) ** -0.5, "o.weight": (h * k) ** -0.5, "wo.weight": c["d_ff"] ** -0.5, "shared.weight": 1.0}
        for name, p in self.named_parameters():
            if p.ndim == 2:
                nn.init.normal_(p, std=next((s for n, s in deviations.items() if name.endswith(n)), d**-0.5))

    def forward(self, ids):
        mask = ids != 0
        x = self.shared(ids)
        for block in self.encoder.block:
            attention, feed = block.layer
            x = x + attention.SelfAttention(attention.layer_norm(x), mask)
            x = x + feed.DenseReluDense(feed.layer_norm(x))
        return self.encoder.final_layer_norm(x) * mask[..., None]


def train_tokenizer(sentences, folder):
    """Writes spiece.model, tokenizer.json and tokenizer_config.json.

    Every word of the sentences is one piece with its log frequency; other words fall apart into characters, of which
    printable ASCII and Latin-1 letters have pieces. SentencePiece itself gives the file's frame and its normaliser.
    """
    import sentencepiece
    from sentencepiece import sentencepiece_model_pb2

    characters = [chr(i) for i in range(33, 127)] + [chr(i) for i in range(0xC0, 0x100)]
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(sentences), model_writer=model, vocab_size=300, model_type="unigram", character_coverage=1.0,
        required_chars="".join(characters), pad_id=0, eos_id=1, unk_id=2, bos_id=-1, num_threads=1, minloglevel=2,
        hard_vocab_limit=False, pad_piece="<pad>", eos_piece="</s>", unk_piece="<unk>")
    proto = sentencepiece_model_pb2.ModelProto.FromString(model.getvalue())
    single = [p for p in proto.pieces if p.type == p.NORMAL and len(p.piece) == 1 and p.piece != "\u2581"]
    frame = [p for p in proto.pieces if p.type != p.NORMAL]
    counts = collections.Counter(w for s in sentences for w in re.findall(r"\w+", s))
    total = sum(counts.values())
    words = [("\u2581", -8.0)] + [("\u2581" + w, math.log(n / total)) for w, n in counts.most_common()]
    characters = [(p.piece, -12.0 - 0.001 * i) for i, p in enumerate(sorted(single, key=lambda p: -p.score))]
    del proto.pieces[:]
    proto.pieces.extend(frame)
    for piece, score in words + characters:
        proto.pieces.add(piece=piece, score=score)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "spiece.model").write_bytes(proto.SerializeToString())
    special = lambda i, text: {"id": i, "content": text, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    space = {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "always", "split": True}
    end = {"SpecialToken": {"id": "</s>", "type_id": 0}}
    sequence = lambda name: {"Sequence": {"id": name, "type_id": 0}}
    (folder / "tokenizer.json").write_text(json.dumps({
        "version": "1.0", "truncation": None, "padding": None,
        "added_tokens": [special(0, "<pad>"), special(1, "</s>"), special(2, "<unk>")],
        "normalizer": {"type": "Precompiled", "precompiled_charsmap": base64.b64encode(proto.normalizer_spec.precompiled_charsmap).decode()},
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, space]},
        "post_processor": {"type": "TemplateProcessing", "single": [sequence("A"), end],
                           "pair": [sequence("A"), end, sequence("B"), end],
                           "special_tokens": {"</s>": {"id": "</s>", "ids": [1], "tokens": ["</s>"]}}},
        "decoder": space,
        "model": {"type": "Unigram", "unk_id": 2, "vocab": [[p.piece, p.score] for p in proto.pieces], "byte_fallback": False},
    }, ensure_ascii=False))
    (folder / "tokenizer_config.json").write_text(json.dumps({
        "eos_token": "</s>", "extra_ids": 0, "extra_special_tokens": ["<pad>", "</s>"], "model_max_length": 512, "pad_token": "<pad>",
        "tokenizer_class": "T5Tokenizer", "unk_token": "<unk>"}, indent=2) + "\n")
    return len(proto.pieces)


class Tokenizer:
    """Prompts to ids [prompts, length], with </s> at the end and 0 as padding."""

    def __init__(self, folder, length):
        import tokenizers
        self.inner, self.length = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json")), length

    def __call__(self, prompts):
        out = torch.zeros(len(prompts), self.length, dtype=torch.long)
        for row, text in zip(out, prompts):
            ids = self.inner.encode(text).ids
            if len(ids) > self.length:
                ids = ids[: self.length - 1] + [1]
            row[: len(ids)] = torch.tensor(ids)
        return out
