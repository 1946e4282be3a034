//! safetensors -> tensors in f32 under the names of BERT without a prefix.

use std::collections::HashMap;
use std::path::Path;

use candle_core::{DType, Device, Tensor};
use serde_json::Value;

use crate::abi;
use crate::config::ModelConfig;
use crate::error::{invalid_model, unsupported_model, Error, Result};

pub type Weights = HashMap<String, Tensor>;

const WORDS: &str = "embeddings.word_embeddings.weight";
const TYPES: &str = "embeddings.token_type_embeddings.weight";

pub fn load(folder: &Path, config: &ModelConfig) -> Result<Weights> {
    let mut tensors = Weights::new();
    for file in files(folder)? {
        let path = folder.join(&file);
        let part = candle_core::safetensors::load(&path, &Device::Cpu)
            .map_err(|error| invalid_model(format!("{file}: {error}")))?;
        tensors.extend(part);
    }
    let prefix = prefix_of(&tensors)?;
    let mut weights = Weights::new();
    for (name, tensor) in tensors {
        let own = name.strip_prefix(&prefix).map(bert_name);
        // A count from 0 that old files hold is no weight.
        if let Some(own) = own.filter(|own| !own.ends_with("position_ids")) {
            weights.insert(own, tensor.to_dtype(DType::F32)?);
        }
    }
    if !weights.contains_key(TYPES) {
        if config.family.reads_types {
            return Err(invalid_model(format!(
                "the weights have no tensor '{prefix}{TYPES}'"
            )));
        }
        // DistilBERT has no types: nothing is added.
        let shape = (config.bert.type_vocab_size, config.bert.hidden_size);
        weights.insert(
            TYPES.into(),
            Tensor::zeros(shape, DType::F32, &Device::Cpu)?,
        );
    }
    Ok(weights)
}

/// model.safetensors, or the files that its index names.
fn files(folder: &Path) -> Result<Vec<String>> {
    const ONE: &str = "model.safetensors";
    const INDEX: &str = "model.safetensors.index.json";
    const PICKLE: &str = "pytorch_model.bin";
    if folder.join(ONE).exists() {
        return Ok(vec![ONE.into()]);
    }
    if !folder.join(INDEX).exists() && folder.join(PICKLE).exists() {
        return Err(unsupported_model(format!(
            "the model's folder has its weights in {PICKLE} only, which can run code; \
             convert them to {ONE}"
        )));
    }
    let Ok(json) = std::fs::read_to_string(folder.join(INDEX)) else {
        return Err(Error {
            code: abi::MODEL_NOT_FOUND,
            message: format!("the model's folder has neither {ONE} nor {INDEX}"),
        });
    };
    let root: Value =
        serde_json::from_str(&json).map_err(|error| invalid_model(format!("{INDEX}: {error}")))?;
    let Some(map) = root.get("weight_map").and_then(Value::as_object) else {
        return Err(invalid_model(format!("{INDEX}: has no \"weight_map\"")));
    };
    let mut files: Vec<String> = map
        .values()
        .filter_map(Value::as_str)
        .map(String::from)
        .collect();
    files.sort();
    files.dedup();
    // Nothing outside of the folder is read.
    if let Some(bad) = files
        .iter()
        .find(|file| Path::new(file).components().count() != 1 || file.starts_with('.'))
    {
        return Err(invalid_model(format!(
            "{INDEX}: \"{bad}\" is no name of a file in the folder"
        )));
    }
    Ok(files)
}

/// "bert." of "bert.embeddings.word_embeddings.weight".
fn prefix_of(tensors: &Weights) -> Result<String> {
    tensors
        .keys()
        .find_map(|name| name.strip_suffix(WORDS))
        .map(String::from)
        .ok_or_else(|| invalid_model(format!("the weights have no tensor '{WORDS}'")))
}

/// Old names of a norm's weights, and DistilBERT's names.
fn bert_name(name: &str) -> String {
    let mut name = name.to_string();
    for (from, to) in [
        ("LayerNorm.gamma", "LayerNorm.weight"),
        ("LayerNorm.beta", "LayerNorm.bias"),
        ("transformer.layer.", "encoder.layer."),
        (".attention.q_lin.", ".attention.self.query."),
        (".attention.k_lin.", ".attention.self.key."),
        (".attention.v_lin.", ".attention.self.value."),
        (".attention.out_lin.", ".attention.output.dense."),
        (".sa_layer_norm.", ".attention.output.LayerNorm."),
        (".ffn.lin1.", ".intermediate.dense."),
        (".ffn.lin2.", ".output.dense."),
        (".output_layer_norm.", ".output.LayerNorm."),
    ] {
        name = name.replace(from, to);
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_those_of_bert() {
        for (given, expected) in [
            (
                "transformer.layer.3.attention.q_lin.weight",
                "encoder.layer.3.attention.self.query.weight",
            ),
            (
                "transformer.layer.0.output_layer_norm.bias",
                "encoder.layer.0.output.LayerNorm.bias",
            ),
            (
                "transformer.layer.0.sa_layer_norm.bias",
                "encoder.layer.0.attention.output.LayerNorm.bias",
            ),
            ("embeddings.LayerNorm.gamma", "embeddings.LayerNorm.weight"),
            (
                "encoder.layer.0.output.dense.weight",
                "encoder.layer.0.output.dense.weight",
            ),
        ] {
            assert_eq!(bert_name(given), expected);
        }
    }

    #[test]
    fn a_folder_without_weights_is_not_found() {
        let error = files(Path::new("/nowhere")).unwrap_err();
        assert_eq!(error.code, abi::MODEL_NOT_FOUND);
    }

    #[test]
    fn an_index_stays_in_its_folder() {
        let folder = std::env::temp_dir().join(format!("akin-candle-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let index = folder.join("model.safetensors.index.json");
        for name in ["../other", "/etc/passwd", "a/b"] {
            std::fs::write(&index, format!(r#"{{"weight_map": {{"x": "{name}"}}}}"#)).unwrap();
            assert_eq!(
                files(&folder).unwrap_err().code,
                abi::INVALID_MODEL,
                "{name}"
            );
        }
        std::fs::write(
            &index,
            r#"{"weight_map": {"x": "b.safetensors", "y": "a.safetensors", "z": "b.safetensors"}}"#,
        )
        .unwrap();
        assert_eq!(files(&folder).unwrap(), ["a.safetensors", "b.safetensors"]);
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
