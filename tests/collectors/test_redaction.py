"""Secrets go, everything that tells one run from another stays."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from traindoctor.collectors.redaction import MARK, redact, redact_command

SECRET_COMMANDS = {
    "flag and value": ["--api-key", "abc"],
    "flag=value": ["--api_key=abc"],
    "token": ["--hf-token", "abc"],
    "single dash": ["-token", "abc"],
    "password": ["--db.password=abc"],
    "secret": ["--client-secret", "abc"],
    "auth": ["--auth=abc"],
    "credentials": ["--credentials", "abc"],
    "hydra": ["wandb.api_key=abc"],
    "hydra append": ["+trainer.logger.token=abc"],
    "environment style": ["WANDB_API_KEY=abc"],
    "camel case": ["--apiKey", "abc"],
    "access key": ["--aws_access_key_id=abc"],
    "bearer": ["-H", "Authorization: Bearer abc"],
}


@pytest.mark.parametrize("name", SECRET_COMMANDS)
def test_values_of_telling_flags_go(name):
    out = redact_command(["train.py", *SECRET_COMMANDS[name], "--lr", "0.1"])
    assert "abc" not in " ".join(out)
    assert MARK in " ".join(out)
    assert out[0] == "train.py"
    assert out[-2:] == ["--lr", "0.1"]


@pytest.mark.parametrize(
    "text",
    [
        "sk-proj1234567890abcd", "hf_abcdefghijkl", "ghp_0123456789abcdef", "github_pat_11ABC_def123",
        "AKIAIOSFODNN7EXAMPLE",
        "xoxb-123456-abcdef", "glpat-aaaaaaaaaaaaaaaaaaaa", "eyJhbGciOiJIUzI1.eyJzdWIiOiIxMjM0.abc",
        "9aF3kQ7zX1pL8vB2nM5tR6yU0wE4",
        "d41d8cd98f00b204e9800998ecf8427e", "2b7E151628aEd2A6abF7158809Cf4f3C",
    ],
)  # fmt: skip
def test_tokens_are_known_by_their_looks(text):
    for command in ([text], [f"--note={text}"], ["--note", f"see {text}"]):
        assert text not in " ".join(redact_command(command))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://user:pass@host/data", f"https://{MARK}@host/data"),
        ("postgres://me:p%40ss@db:5432/x?sslmode=on", f"postgres://{MARK}@db:5432/x?sslmode=on"),
        ("https://host/x?token=abc&page=2", f"https://host/x?token={MARK}&page=2"),
        (
            "s3://bucket/path?X-Amz-Signature=1&api_key=zz",
            f"s3://bucket/path?X-Amz-Signature=1&api_key={MARK}",
        ),
    ],
)
def test_credentials_in_addresses_go_and_the_address_stays(text, expected):
    assert redact(text) == expected


HARMLESS = [
    "train.py",
    "--lr",
    "-3",
    "1e-4",
    "--tokenizer",
    "gpt2",
    "--max-tokens",
    "512",
    "--num_tokens=1024",
    "--max_token_length",
    "128",
    "--keyframes",
    "3",
    "--monkey",
    "x",
    "--author",
    "me",
    "--data=/data/imagenet/train-00001-of-01024.tar",
    "--model",
    "resnet50_v1.5_IMAGENET1K_V2",
    "checkpoints/epoch=12-step=48000.ckpt",
    "optimizer.weight_decay=0.01",
    "https://example.org/data.zip",
    "+a.b=1",
    "~a.c",
    "20260101-120000-ab12",
    "da39a3ee5e6b4b0d3255bfef95601890afd80709",
    "123e4567-e89b-12d3-a456-426614174000",
    "meta-llama/Llama-3.2-1B-Instruct",
    "--run-name=baseline_bs256_lr3e-4_wd0.1_seed42",
    "--keypoints=17",
    "user@host",
    "transformer_encoder_layer_norm_first",
    "00000000000000000000000000000001",
    "--no-key-padding-mask",
]


def test_ordinary_arguments_stay():
    assert redact_command(HARMLESS) == HARMLESS


def test_a_number_is_no_token_but_may_be_a_password():
    assert redact_command(["--token", "123456", "--password", "1234"]) == [
        "--token",
        "123456",
        "--password",
        MARK,
    ]
    assert redact_command(["--token", "123456789012"]) == ["--token", MARK]


def test_a_flag_without_a_value_hides_no_other_flag():
    assert redact_command(["--use-auth", "--lr", "1"]) == ["--use-auth", "--lr", "1"]
    assert redact_command(["--passwd", "-5"]) == ["--passwd", MARK]


@given(st.lists(st.text(max_size=60), max_size=8))
def test_any_command_line_keeps_its_length(argv):
    assert len(redact_command(argv)) == len(argv)
