"""What is encoded in strings."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import tensorflow as tf

from harness.domain import (
    Choices,
    Column,
    Domain,
    Examples,
    Feature,
    NumberTexts,
    Pictures,
    Range,
    Records,
    Sounds,
)

tf1 = tf.compat.v1
Read = Callable[..., dict[str, Domain]]


def strings(shape: tuple[int | None, ...] | None = ()) -> tf.Tensor:
    return tf1.placeholder(tf.string, shape, name="x")


@pytest.fixture(params=["V1", "V2"])
def control_flow(request: pytest.FixtureRequest) -> Iterator[None]:
    (tf1.enable_control_flow_v2 if request.param == "V2" else tf1.disable_control_flow_v2)()
    yield
    tf1.enable_control_flow_v2()


@pytest.mark.usefixtures("graph")
@pytest.mark.parametrize(
    ("decode", "expected"),
    [
        (lambda x: tf.io.decode_jpeg(x, 3), Pictures(formats=("jpeg",), channels=3)),
        (lambda x: tf.io.decode_png(x, 1), Pictures(formats=("png",), channels=1)),
        (lambda x: tf.io.decode_bmp(x, 3), Pictures(formats=("bmp",), channels=3)),
        (tf.io.decode_gif, Pictures(formats=("gif",))),
        (lambda x: tf.io.decode_image(x, 3), Pictures(formats=("png", "jpeg"), channels=3)),
        (tf.io.extract_jpeg_shape, Pictures(formats=("jpeg",))),
    ],
    ids=["jpeg", "png", "bmp", "gif", "image", "jpeg shape"],
)
def test_a_decoder_says_the_format(
    read: Read, decode: Callable[[tf.Tensor], tf.Tensor], expected: Pictures
) -> None:
    tf.identity(decode(strings()), name="out")
    assert read()["x"].values == expected


@pytest.mark.usefixtures("graph")
def test_the_decoder_is_named(read: Read) -> None:
    tf.io.decode_png(strings(), 3, name="out")
    assert read()["x"] == Domain(values=Pictures(formats=("png",), channels=3), read_from="out")


@pytest.mark.usefixtures("graph")
def test_decoders_in_branches_each_say_a_format(read: Read) -> None:
    """What `tf.image.decode_image` built in TensorFlow 1."""
    x = strings()
    is_jpeg = tf.equal(tf.strings.substr(x, 0, 3), b"\xff\xd8\xff")
    picture = tf.cond(is_jpeg, lambda: tf.io.decode_jpeg(x, 3), lambda: tf.io.decode_png(x, 3))
    tf.identity(picture, name="out")
    values = read()["x"].values
    assert isinstance(values, Pictures)
    assert sorted(values.formats) == ["jpeg", "png"]


@pytest.mark.usefixtures("graph")
def test_a_reshape_of_the_picture_says_its_size(read: Read) -> None:
    tf.reshape(tf.io.decode_png(strings()), (28, 20, 3), name="out")
    assert read()["x"].values == Pictures(formats=("png",), channels=3, heights=(28,), widths=(20,))


@pytest.mark.usefixtures("graph")
def test_a_convolution_says_how_many_channels_the_picture_has(read: Read) -> None:
    picture = tf.cast(tf.io.decode_jpeg(strings()), tf.float32)
    resized = tf1.image.resize_bilinear(picture[tf.newaxis] / 255.0, (8, 8))
    tf.nn.conv2d(resized, tf.ones((2, 2, 3, 4)), 1, "SAME", name="out")
    assert read()["x"].values == Pictures(formats=("jpeg",), channels=3)


@pytest.mark.usefixtures("graph", "control_flow")
def test_pictures_that_are_decoded_one_by_one_are_pictures(read: Read) -> None:
    pictures = tf.map_fn(lambda each: tf.io.decode_png(each, 3), strings((None,)), dtype=tf.uint8)
    tf.identity(pictures, name="out")
    assert read()["x"].values == Pictures(formats=("png",), channels=3)


def decoded_in_a_loop(encoded: tf.Tensor) -> tf.Tensor:
    """A batch, one of none too, of pictures of one size, which is asserted."""
    count = tf.shape(encoded)[0]
    padded = tf.concat([encoded, [b"a picture for want of another"]], 0)
    rounds = tf.maximum(count, 1)
    pictures = tf.TensorArray(tf.uint8, rounds, infer_shape=False)
    sizes = tf.TensorArray(tf.int32, rounds, element_shape=(3,))

    def decode(
        index: tf.Tensor, pictures: tf.TensorArray, sizes: tf.TensorArray
    ) -> tuple[tf.Tensor, tf.TensorArray, tf.TensorArray]:
        picture = tf.io.decode_image(padded[index], 3, expand_animations=False)
        written = pictures.write(index, picture)
        return index + 1, written, sizes.write(index, tf.shape(picture))

    _, pictures, sizes = tf.while_loop(lambda i, *_: i < rounds, decode, (0, pictures, sizes))
    all_sizes = sizes.stack()
    alike = tf.reduce_all(tf.equal(all_sizes, all_sizes[:1]))
    with tf.control_dependencies([tf.raw_ops.Assert(condition=alike, data=[all_sizes])]):
        return pictures.stack()[:count]


@pytest.mark.usefixtures("graph", "control_flow")
def test_pictures_are_found_behind_what_pads_and_counts_them(read: Read) -> None:
    tf.identity(decoded_in_a_loop(strings((None,))), name="out")
    assert read()["x"].values == Pictures(channels=3)


@pytest.mark.usefixtures("graph", "control_flow")
@pytest.mark.parametrize("parsed", ["together", "one by one"])
def test_pictures_of_examples_are_found_in_the_loop_that_decodes_them(
    read: Read, parsed: str
) -> None:
    features = {"image/encoded": tf.io.FixedLenFeature((), tf.string)}
    x = strings((None,))
    if parsed == "together":
        encoded = tf.io.parse_example(x, features)["image/encoded"]
    else:
        encoded = tf.map_fn(
            lambda each: tf.io.parse_single_example(each, features)["image/encoded"], x
        )
    tf.identity(decoded_in_a_loop(encoded), name="out")
    picture = Feature(dtype="string", shape=(), values=Pictures(channels=3))
    assert read()["x"].values == Examples(features={"image/encoded": picture})


@pytest.mark.usefixtures("graph")
def test_sounds_have_the_channels_that_are_wanted(read: Read) -> None:
    tf.identity(tf.audio.decode_wav(strings(), desired_channels=2)[0], name="out")
    assert read()["x"].values == Sounds(channels=2)


@pytest.mark.usefixtures("graph")
def test_sounds_of_any_channels_have_one(read: Read) -> None:
    tf.identity(tf.audio.decode_wav(strings())[0], name="out")
    assert read()["x"].values == Sounds(channels=1)


@pytest.mark.usefixtures("graph")
@pytest.mark.parametrize("dtype", [tf.float32, tf.int64])
def test_texts_that_are_made_numbers_are_numbers(read: Read, dtype: tf.DType) -> None:
    tf.strings.to_number(strings((None,)), dtype, name="out")
    assert read()["x"].values == NumberTexts(dtype=dtype.name)


@pytest.mark.usefixtures("graph")
def test_texts_that_are_made_ids_are_listed(read: Read) -> None:
    tf.gather(tf.ones((3, 2)), tf.strings.to_number(strings((None,)), tf.int32), name="out")
    assert read()["x"].values == Choices(values=("0", "1", "2"))


@pytest.mark.usefixtures("graph")
def test_columns_of_csv_have_dtypes_and_perhaps_defaults(read: Read) -> None:
    columns = tf.io.decode_csv(
        strings((None,)), [tf.constant([], tf.float32), [7], ["none"]], field_delim=";"
    )
    tf.add(columns[0], tf.cast(columns[1], tf.float32), name="out")
    tf.identity(columns[2], name="text")
    assert read("out", "text")["x"].values == Records(
        columns=(
            Column(dtype="float32"),
            Column(dtype="int32", required=False),
            Column(dtype="string", required=False),
        ),
        delimiter=";",
    )


@pytest.mark.usefixtures("graph")
def test_a_field_has_no_values_that_a_whole_input_may_have(read: Read) -> None:
    x = strings((None,))
    parsed = tf1.parse_example(x, {"lengths": tf.io.FixedLenFeature([], tf.int64)})
    data = tf1.placeholder(tf.float32, [None, None], name="data")
    tf.reverse_sequence(data, parsed["lengths"], seq_axis=1, name="out")
    values = read()["x"].values
    assert isinstance(values, Examples)
    assert values.features["lengths"].values is None


@pytest.mark.usefixtures("graph")
def test_columns_that_nobody_selects_are_there(read: Read) -> None:
    (column,) = tf.io.decode_csv(strings((None,)), [tf.constant([], tf.int64)], select_cols=[1])
    tf.gather(tf.ones((4, 2)), column, name="out")
    assert read()["x"].values == Records(
        columns=(
            Column(dtype="string", required=False),
            Column(dtype="int64", values=Range(low=0, high=3)),
        )
    )


@pytest.mark.usefixtures("graph")
def test_fields_may_be_without_quotes(read: Read) -> None:
    tf.identity(tf.io.decode_csv(strings((None,)), [[1]], use_quote_delim=False)[0], name="out")
    assert read()["x"].values == Records(
        columns=(Column(dtype="int32", required=False),), quotes=False
    )


FEATURES = {
    "image/encoded": tf.io.FixedLenFeature((), tf.string),
    "id": tf.io.FixedLenFeature((2,), tf.int64),
    "weight": tf.io.FixedLenFeature((), tf.float32, default_value=1.0),
    "words": tf.io.VarLenFeature(tf.string),
    "steps": tf.io.FixedLenSequenceFeature((3,), tf.float32, allow_missing=True),
}


def use_of(features: dict[str, tf.Tensor], picture: tf.Tensor) -> None:
    rows = tf.gather(tf.ones((5, 2)), features["id"])
    picture = tf.cast(tf.io.decode_png(picture, 1), tf.float32)
    numbers = [rows, picture, features["weight"], features["steps"]]
    total = tf.add_n([tf.reduce_sum(each) for each in numbers])
    tf.identity(tf.strings.as_string(total) + features["words"].values, name="out")


EXPECTED = Examples(
    features={
        "image/encoded": Feature(
            dtype="string", shape=(), values=Pictures(formats=("png",), channels=1)
        ),
        "id": Feature(dtype="int64", shape=(2,), values=Range(low=0, high=4)),
        "weight": Feature(dtype="float32", shape=(), required=False),
        "words": Feature(dtype="string", required=False),
        "steps": Feature(dtype="float32", shape=(None, 3), required=False),
    }
)


@pytest.mark.usefixtures("graph")
@pytest.mark.parametrize("parse", [tf.io.parse_example, tf1.parse_example], ids=["V2", "V1"])
def test_features_of_examples_are_told_one_by_one(
    read: Read, parse: Callable[..., dict[str, tf.Tensor]]
) -> None:
    features = parse(strings((None,)), FEATURES)
    use_of(features, features["image/encoded"][0])
    assert read()["x"].values == EXPECTED


@pytest.mark.usefixtures("graph")
def test_features_of_a_single_example_are(read: Read) -> None:
    features = tf.io.parse_single_example(strings(), FEATURES)
    use_of(features, features["image/encoded"])
    assert read()["x"].values == EXPECTED


@pytest.mark.usefixtures("graph")
def test_examples_are_told_by_the_oldest_op(read: Read) -> None:
    names = tf.constant([], tf.string)
    parsed = tf.raw_ops.ParseExample(
        serialized=strings((None,)),
        names=names,
        sparse_keys=["words"],
        dense_keys=["id"],
        dense_defaults=[tf.constant([], tf.int64)],
        sparse_types=[tf.string],
        dense_shapes=[(1,)],
    )
    tf.identity(parsed.dense_values[0], name="out")
    tf.identity(parsed.sparse_values[0], name="words")
    assert read("out", "words")["x"].values == Examples(
        features={
            "words": Feature(dtype="string", required=False),
            "id": Feature(dtype="int64", shape=(1,)),
        }
    )


@pytest.mark.usefixtures("graph")
def test_ragged_features_have_any_number_of_values(read: Read) -> None:
    features = tf.io.parse_example(strings((None,)), {"r": tf.io.RaggedFeature(tf.int64)})
    tf.identity(features["r"].values, name="out")
    assert read()["x"].values == Examples(features={"r": Feature(dtype="int64", required=False)})


@pytest.mark.usefixtures("graph")
@pytest.mark.parametrize(
    ("parse", "shape"),
    [
        (tf.io.parse_single_sequence_example, ()),
        (tf.io.parse_sequence_example, (None,)),
        (tf1.io.parse_single_sequence_example, ()),
    ],
    ids=["single", "many", "V1"],
)
def test_lists_of_features_are_told_apart_from_the_context(
    read: Read, parse: Callable[..., tuple[dict[str, tf.Tensor], ...]], shape: tuple[None, ...]
) -> None:
    context, lists, *_ = parse(
        strings(shape),
        context_features={"length": tf.io.FixedLenFeature((), tf.int64)},
        sequence_features={
            "tokens": tf.io.FixedLenSequenceFeature((), tf.int64),
            "marks": tf.io.VarLenFeature(tf.float32),
        },
    )
    tf.identity(context["length"], name="out")
    tf.gather(tf.ones((9, 2)), lists["tokens"], name="rows")
    tf.identity(lists["marks"].values, name="marks")
    assert read("out", "rows", "marks")["x"].values == Examples(
        features={"length": Feature(dtype="int64", shape=())},
        feature_lists={
            "tokens": Feature(dtype="int64", shape=(), values=Range(low=0, high=8)),
            "marks": Feature(dtype="float32", required=False),
        },
    )


@pytest.mark.usefixtures("graph")
def test_words_of_a_vocabulary_are_any_words(read: Read) -> None:
    words = tf.strings.to_hash_bucket_fast(strings((None,)), 10)
    tf.gather(tf.ones((10, 2)), words, name="out")
    assert read()["x"] == Domain()


def test_pictures_are_told_in_a_saved_model(read_saved: Read) -> None:
    class Serving(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec((None,), tf.string, name="pictures")])
        def serve(self, pictures: tf.Tensor) -> dict[str, tf.Tensor]:
            def decode(each: tf.Tensor) -> tf.Tensor:
                return tf.image.resize(tf.io.decode_jpeg(each, channels=3), (4, 4))

            return {"out": tf.map_fn(decode, pictures, fn_output_signature=tf.float32)}

    assert read_saved(Serving())["pictures"].values == Pictures(formats=("jpeg",), channels=3)
