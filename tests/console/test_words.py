"""What pages and terminal say alike."""

from console.words import coded


def test_what_is_typed_is_code_and_nothing_in_a_sentence_is_markup() -> None:
    assert coded("`split: {by: time}` shows it, <b>`a<b`</b>") == (
        "<code>split: {by: time}</code> shows it, &lt;b&gt;<code>a&lt;b</code>&lt;/b&gt;"
    )
    assert coded("one ` alone, two `` beside each other") == "one ` alone, two `` beside each other"
