"""Makes what the optional vLLM suite serves, with what vLLM brings along: a random Llama of under a megabyte with a
tokenizer of single characters, and two LoRA adapters that change its greedy answers. Usage: make-model.py DIRECTORY"""

import json
import os
import sys

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

HIDDEN, LAYERS, RANK = 128, 2, 4
root = sys.argv[1]


def make_tokenizer(directory):
    vocabulary = {"<s>": 0, "</s>": 1}
    for letter in sorted(pre_tokenizers.ByteLevel.alphabet()):
        vocabulary[letter] = len(vocabulary)
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>")
    fast.save_pretrained(directory)
    return len(vocabulary)


def make_base(directory, vocabulary):
    torch.manual_seed(7)
    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=HIDDEN,
        intermediate_size=256,
        num_hidden_layers=LAYERS,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=4096,
        tie_word_embeddings=False,
        bos_token_id=0,
        eos_token_id=1,
    )
    LlamaForCausalLM(config).save_pretrained(directory, safe_serialization=True)


def make_adapter(directory, seed):
    os.makedirs(directory, exist_ok=True)
    random = torch.Generator().manual_seed(seed)
    weights = {}
    for layer in range(LAYERS):
        for module in ("q_proj", "v_proj"):
            name = f"base_model.model.model.layers.{layer}.self_attn.{module}"
            weights[f"{name}.lora_A.weight"] = torch.randn(RANK, HIDDEN, generator=random)
            weights[f"{name}.lora_B.weight"] = torch.randn(HIDDEN, RANK, generator=random)
    save_file(weights, os.path.join(directory, "adapter_model.safetensors"))
    with open(os.path.join(directory, "adapter_config.json"), "w") as file:
        json.dump(
            {
                "peft_type": "LORA",
                "task_type": "CAUSAL_LM",
                "r": RANK,
                "lora_alpha": 16,
                "target_modules": ["q_proj", "v_proj"],
                "bias": "none",
                "lora_dropout": 0.0,
                "base_model_name_or_path": "base",
            },
            file,
        )


base = os.path.join(root, "base")
os.makedirs(base, exist_ok=True)
make_base(base, make_tokenizer(base))
make_adapter(os.path.join(root, "adapter-1"), 1)
make_adapter(os.path.join(root, "adapter-2"), 2)
