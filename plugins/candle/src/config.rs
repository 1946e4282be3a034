//! config.json of a BERT-family model -> Candle's configuration of BERT.
//!
//! They differ in names, which `weights` brings into BERT's, and in what stands in this table.

use candle_transformers::models::bert::{Config, HiddenAct, PositionEmbeddingType};
use serde_json::Value;

use crate::error::{invalid_model, unsupported_model, Result};

/// How an architecture differs from BERT.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Family {
    /// "model_type" in config.json.
    pub model_type: &'static str,
    /// Names of the sizes.
    pub hidden_size: &'static str,
    pub num_layers: &'static str,
    pub num_heads: &'static str,
    pub intermediate_size: &'static str,
    pub activation: &'static str,
    /// Positions are counted from pad_token_id + 1; the rows before are not used.
    pub shifts_positions: bool,
    /// Token types are read; else there is one type at most, which every token has.
    pub reads_types: bool,
}

const BERT: Family = Family {
    model_type: "bert",
    hidden_size: "hidden_size",
    num_layers: "num_hidden_layers",
    num_heads: "num_attention_heads",
    intermediate_size: "intermediate_size",
    activation: "hidden_act",
    shifts_positions: false,
    reads_types: true,
};

pub const FAMILIES: [Family; 6] = [
    BERT,
    Family {
        model_type: "electra",
        ..BERT
    },
    Family {
        model_type: "distilbert",
        hidden_size: "dim",
        num_layers: "n_layers",
        num_heads: "n_heads",
        intermediate_size: "hidden_dim",
        activation: "activation",
        reads_types: false,
        ..BERT
    },
    Family {
        model_type: "roberta",
        shifts_positions: true,
        reads_types: false,
        ..BERT
    },
    Family {
        model_type: "xlm-roberta",
        shifts_positions: true,
        reads_types: false,
        ..BERT
    },
    Family {
        model_type: "camembert",
        shifts_positions: true,
        reads_types: false,
        ..BERT
    },
];

#[derive(Debug)]
pub struct ModelConfig {
    pub family: Family,
    /// As Candle's BERT takes it; positions without the rows before the first one.
    pub bert: Config,
    /// Rows of the table of positions before its first that is used.
    pub first_position: usize,
}

struct Fields<'a>(&'a Value);

impl Fields<'_> {
    fn size(&self, name: &str) -> Result<usize> {
        match self.0.get(name) {
            None => Err(invalid_model(format!("config.json: \"{name}\" is missing"))),
            Some(value) => match value.as_u64() {
                Some(size) if (1..=1 << 30).contains(&size) => Ok(size as usize),
                _ => Err(invalid_model(format!(
                    "config.json: \"{name}\" is {value}, expected a whole number above 0"
                ))),
            },
        }
    }
    fn size_or(&self, name: &str, default: usize) -> Result<usize> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(default),
            Some(value) if value.as_u64() == Some(0) => Ok(0),
            Some(_) => self.size(name),
        }
    }
    fn word_or<'b>(&'b self, name: &str, default: &'b str) -> &'b str {
        self.0.get(name).and_then(Value::as_str).unwrap_or(default)
    }
}

pub fn parse(json: &str) -> Result<ModelConfig> {
    let root: Value = serde_json::from_str(json)
        .map_err(|error| invalid_model(format!("config.json: {error}")))?;
    let fields = Fields(&root);
    let model_type = fields.word_or("model_type", "");
    let Some(family) = FAMILIES
        .iter()
        .find(|family| family.model_type == model_type)
    else {
        let known: Vec<_> = FAMILIES.iter().map(|family| family.model_type).collect();
        return Err(unsupported_model(format!(
            "config.json: \"model_type\" is \"{model_type}\"; this plug-in runs {}",
            known.join(", ")
        )));
    };
    refuse_what_differs(&fields)?;
    let hidden_size = fields.size(family.hidden_size)?;
    let num_attention_heads = fields.size(family.num_heads)?;
    if hidden_size % num_attention_heads != 0 {
        return Err(invalid_model(format!(
            "config.json: \"{}\" is {hidden_size}, no multiple of the {num_attention_heads} heads",
            family.hidden_size
        )));
    }
    if fields.size_or("embedding_size", hidden_size)? != hidden_size {
        return Err(unsupported_model(format!(
            "config.json: \"embedding_size\" is not \"hidden_size\" ({hidden_size})"
        )));
    }
    let pad_token_id = fields.size_or("pad_token_id", 0)?;
    let first_position = if family.shifts_positions {
        pad_token_id + 1
    } else {
        0
    };
    let rows = fields.size("max_position_embeddings")?;
    if rows <= first_position {
        return Err(invalid_model(format!(
            "config.json: \"max_position_embeddings\" is {rows}, the first position is {first_position}"
        )));
    }
    let types = if family.model_type == "distilbert" {
        1
    } else {
        fields.size_or("type_vocab_size", 2)?
    };
    let bert = Config {
        vocab_size: fields.size("vocab_size")?,
        hidden_size,
        num_hidden_layers: fields.size(family.num_layers)?,
        num_attention_heads,
        intermediate_size: fields.size(family.intermediate_size)?,
        hidden_act: activation(family.activation, fields.word_or(family.activation, "gelu"))?,
        hidden_dropout_prob: 0.0,
        max_position_embeddings: rows - first_position,
        type_vocab_size: types.max(1),
        initializer_range: 0.02,
        layer_norm_eps: root
            .get("layer_norm_eps")
            .and_then(Value::as_f64)
            .unwrap_or(1e-12),
        pad_token_id,
        position_embedding_type: PositionEmbeddingType::Absolute,
        use_cache: false,
        classifier_dropout: None,
        model_type: None,
    };
    Ok(ModelConfig {
        family: *family,
        bert,
        first_position,
    })
}

fn refuse_what_differs(fields: &Fields) -> Result<()> {
    let positions = fields.word_or("position_embedding_type", "absolute");
    if positions != "absolute" {
        return Err(unsupported_model(format!(
            "config.json: \"position_embedding_type\" is \"{positions}\", expected \"absolute\""
        )));
    }
    if fields.0.get("is_decoder").and_then(Value::as_bool) == Some(true) {
        return Err(unsupported_model("config.json: \"is_decoder\" is true"));
    }
    Ok(())
}

fn activation(field: &str, name: &str) -> Result<HiddenAct> {
    match name {
        "gelu" | "gelu_python" => Ok(HiddenAct::Gelu),
        "gelu_new" | "gelu_pytorch_tanh" | "gelu_fast" => Ok(HiddenAct::GeluApproximate),
        "relu" => Ok(HiddenAct::Relu),
        other => Err(unsupported_model(format!(
            "config.json: \"{field}\" is \"{other}\"; this plug-in has gelu, gelu_new and relu"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abi;

    const SMALL: &str = r#"{"model_type": "bert", "vocab_size": 10, "hidden_size": 8,
        "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16,
        "max_position_embeddings": 32, "type_vocab_size": 2, "hidden_act": "gelu"}"#;

    fn with(from: &str, to: &str) -> Result<ModelConfig> {
        assert!(SMALL.contains(from));
        parse(&SMALL.replace(from, to))
    }

    #[test]
    fn sizes_are_the_files() {
        let config = parse(SMALL).unwrap();
        assert_eq!(
            (config.bert.hidden_size, config.bert.max_position_embeddings),
            (8, 32)
        );
        assert_eq!(config.first_position, 0);
        assert_eq!(config.bert.layer_norm_eps, 1e-12);
    }

    #[test]
    fn roberta_counts_positions_from_behind_its_padding() {
        let config = with(
            r#""model_type": "bert""#,
            r#""model_type": "roberta", "pad_token_id": 1"#,
        )
        .unwrap();
        assert_eq!(
            (config.first_position, config.bert.max_position_embeddings),
            (2, 30)
        );
        assert!(!config.family.reads_types);
    }

    #[test]
    fn what_is_not_bert_is_refused_by_name() {
        for (from, to, code, mention) in [
            ("bert", "gpt2", abi::UNSUPPORTED_MODEL, "gpt2"),
            (r#""gelu""#, r#""silu""#, abi::UNSUPPORTED_MODEL, "silu"),
            (
                r#""hidden_size": 8"#,
                r#""hidden_size": 9"#,
                abi::INVALID_MODEL,
                "no multiple",
            ),
            (
                r#""vocab_size": 10"#,
                r#""vocab_size": -1"#,
                abi::INVALID_MODEL,
                "vocab_size",
            ),
            (
                r#""vocab_size": 10"#,
                r#""vocab": 10"#,
                abi::INVALID_MODEL,
                "missing",
            ),
            (
                r#""hidden_act""#,
                r#""is_decoder": true, "hidden_act""#,
                abi::UNSUPPORTED_MODEL,
                "is_decoder",
            ),
            (
                r#""hidden_act""#,
                r#""position_embedding_type": "relative_key", "hidden_act""#,
                abi::UNSUPPORTED_MODEL,
                "relative_key",
            ),
            (
                r#""hidden_act""#,
                r#""embedding_size": 4, "hidden_act""#,
                abi::UNSUPPORTED_MODEL,
                "embedding_size",
            ),
            ("{", "", abi::INVALID_MODEL, "config.json"),
        ] {
            let error = with(from, to).unwrap_err();
            assert_eq!(error.code, code, "{}", error.message);
            assert!(error.message.contains(mention), "{}", error.message);
        }
    }
}
