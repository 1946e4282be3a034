//! The model itself, on the tiny models of Akin's tests.

use std::path::PathBuf;

use akin_candle::{Batch, Model};

fn folder(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/data/models")
        .join(name)
}

fn states(model: &Model, input_ids: &[i32], cu_seqlens: &[i32]) -> Vec<f32> {
    let mut states = vec![f32::NAN; input_ids.len() * model.width()];
    model
        .embed(
            &Batch {
                input_ids,
                token_type_ids: &[],
                cu_seqlens,
            },
            &mut states,
        )
        .unwrap();
    states
}

#[test]
fn padding_does_not_change_what_is_beside_it() {
    let model = Model::load(&folder("bert-mean"), 2).unwrap();
    let ids = [2, 7, 8, 9, 10, 11, 3, 2, 7, 3];
    let together = states(&model, &ids, &[0, 7, 10]);
    let alone = [
        states(&model, &ids[..7], &[0, 7]),
        states(&model, &ids[7..], &[0, 3]),
    ]
    .concat();
    for (a, b) in together.iter().zip(&alone) {
        assert!((a - b).abs() < 1e-5, "{a} {b}");
    }
}

#[test]
fn sharded_and_old_named_weights_load() {
    for name in [
        "bert-sharded",
        "bert-gamma-beta",
        "bert-prefixed",
        "bert-f16",
        "bert-bf16",
    ] {
        let model = Model::load(&folder(name), 1)
            .unwrap_or_else(|error| panic!("{name}: {}", error.message));
        assert!(states(&model, &[2, 7, 3], &[0, 3])
            .iter()
            .all(|x| x.is_finite()));
    }
}

#[test]
fn a_pickle_is_no_weights_file() {
    assert!(Model::load(&folder("bert-pickle"), 1).is_err());
}

#[test]
fn an_id_outside_of_the_vocabulary_is_an_error() {
    let model = Model::load(&folder("bert-mean"), 1).unwrap();
    let mut states = vec![0.0; model.width()];
    let batch = Batch {
        input_ids: &[1 << 29],
        token_type_ids: &[],
        cu_seqlens: &[0, 1],
    };
    assert!(model.embed(&batch, &mut states).is_err());
}
