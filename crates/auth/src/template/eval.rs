//! Tree and data → text.

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::Value;

use super::func::Func;
use super::html::Page;
use super::parse::{Command, Node, Operand, Pipeline, Tree};
use super::{Format, RenderError, value};

/// Longer output is refused, in bytes.
pub(super) const MAX_OUTPUT: usize = 2_000_000;
/// Nodes and commands worked through at most.
const MAX_STEPS: usize = 200_000;
/// Values made on the way, in bytes, at most.
const MAX_VALUES: usize = 20_000_000;
/// Templates within templates at most.
const MAX_INCLUDES: usize = 50;

pub(super) fn render(tree: &Tree, format: Format, data: &Value) -> Result<String, RenderError> {
    let mut run = Run {
        tree,
        page: (format == Format::Html).then(Page::default),
        out: String::new(),
        steps: 0,
        made: 0,
        includes: 0,
        variables: vec![(String::new(), data.clone())],
    };
    run.nodes(&tree.root, data)?;
    Ok(run.out)
}

/// What follows a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flow {
    On,
    Break,
    Continue,
}

struct Run<'t> {
    tree: &'t Tree,
    /// Where in the page the output stands; none for plain text.
    page: Option<Page>,
    out: String,
    steps: usize,
    made: usize,
    includes: usize,
    variables: Vec<(String, Value)>,
}

impl Run<'_> {
    fn step(&mut self) -> Result<(), RenderError> {
        self.steps += 1;
        if self.steps > MAX_STEPS { Err(RenderError::Endless) } else { Ok(()) }
    }

    fn print(&mut self, text: &str) -> Result<(), RenderError> {
        if self.out.len() + text.len() > MAX_OUTPUT {
            return Err(RenderError::TooLong);
        }
        self.out.push_str(text);
        Ok(())
    }

    fn nodes(&mut self, nodes: &[Node], dot: &Value) -> Result<Flow, RenderError> {
        for node in nodes {
            self.step()?;
            let flow = self.node(node, dot)?;
            if flow != Flow::On {
                return Ok(flow);
            }
        }
        Ok(Flow::On)
    }

    fn node(&mut self, node: &Node, dot: &Value) -> Result<Flow, RenderError> {
        match node {
            Node::Literal(text) => {
                self.print(text)?;
                if let Some(page) = &mut self.page {
                    page.read(text);
                }
            }
            Node::Print(pipeline) => {
                let value = self.pipeline(pipeline, dot)?;
                if pipeline.variables.is_empty() {
                    let text = value::print(&value);
                    let text = match &mut self.page {
                        Some(page) => page.place(&text),
                        None => text,
                    };
                    self.print(&text)?;
                }
            }
            Node::If(pipeline, then, other) => {
                let scope = self.variables.len();
                let test = value::is_true(&self.pipeline(pipeline, dot)?);
                let flow = self.nodes(if test { then } else { other }, dot)?;
                self.variables.truncate(scope);
                return Ok(flow);
            }
            Node::With(pipeline, then, other) => {
                let scope = self.variables.len();
                let inner = self.pipeline(pipeline, dot)?;
                let flow = match value::is_true(&inner) {
                    true => self.nodes(then, &inner)?,
                    false => self.nodes(other, dot)?,
                };
                self.variables.truncate(scope);
                return Ok(flow);
            }
            Node::Range(pipeline, body, other) => return self.range(pipeline, body, other, dot),
            Node::Include(name, data) => self.include(name, data.as_ref(), dot)?,
            Node::Break => return Ok(Flow::Break),
            Node::Continue => return Ok(Flow::Continue),
        }
        Ok(Flow::On)
    }

    fn include(&mut self, name: &str, data: Option<&Pipeline>, dot: &Value) -> Result<(), RenderError> {
        let Some(nodes) = self.tree.named.get(name).map(Arc::clone) else { return Ok(()) };
        self.includes += 1;
        if self.includes > MAX_INCLUDES {
            return Err(RenderError::Endless);
        }
        let inner = match data {
            Some(data) => self.pipeline(data, dot)?,
            None => Value::Null,
        };
        let outer = std::mem::replace(&mut self.variables, vec![(String::new(), inner.clone())]);
        self.nodes(&nodes, &inner)?;
        self.variables = outer;
        self.includes -= 1;
        Ok(())
    }

    fn range(
        &mut self,
        pipeline: &Pipeline,
        body: &[Node],
        other: &[Node],
        dot: &Value,
    ) -> Result<Flow, RenderError> {
        let scope = self.variables.len();
        // Its variables take the elements, not the whole.
        let over = self.commands(&pipeline.commands, dot)?;
        let elements: Vec<(Value, Value)> = match over {
            Value::Array(items) => items.into_iter().enumerate().map(|(n, item)| (n.into(), item)).collect(),
            Value::Object(fields) => {
                let mut sorted: Vec<_> = fields.into_iter().collect();
                sorted.sort_by(|(a, _), (b, _)| a.cmp(b));
                sorted.into_iter().map(|(name, item)| (name.into(), item)).collect()
            }
            Value::Number(number) => {
                let count = number.as_u64().unwrap_or_default().min(MAX_STEPS as u64);
                (0..count).map(|n| (n.into(), n.into())).collect()
            }
            _ => Vec::new(),
        };
        if elements.is_empty() {
            let flow = self.nodes(other, dot)?;
            self.variables.truncate(scope);
            return Ok(flow);
        }
        for (key, element) in elements {
            self.step()?;
            match pipeline.variables.as_slice() {
                [value] => self.set(value, element.clone(), pipeline.assigns),
                [name, value] => {
                    self.set(name, key, pipeline.assigns);
                    self.set(value, element.clone(), pipeline.assigns);
                }
                _ => {}
            }
            let flow = self.nodes(body, &element)?;
            self.variables.truncate(scope);
            if flow == Flow::Break {
                break;
            }
        }
        Ok(Flow::On)
    }

    fn set(&mut self, name: &str, value: Value, assigns: bool) {
        match self.variables.iter_mut().rev().find(|(own, _)| own == name) {
            Some((_, own)) if assigns => *own = value,
            _ => self.variables.push((name.to_owned(), value)),
        }
    }

    fn pipeline(&mut self, pipeline: &Pipeline, dot: &Value) -> Result<Value, RenderError> {
        let value = self.commands(&pipeline.commands, dot)?;
        for name in &pipeline.variables {
            self.set(name, value.clone(), pipeline.assigns);
        }
        Ok(value)
    }

    fn commands(&mut self, commands: &[Command], dot: &Value) -> Result<Value, RenderError> {
        let mut piped = None;
        for command in commands {
            self.step()?;
            let value = match command {
                Command::Value(operand) => self.operand(operand, dot)?.into_owned(),
                Command::Call(func, operands) => self.call(*func, operands, piped.take(), dot)?,
            };
            piped = Some(value);
        }
        Ok(piped.unwrap_or_default())
    }

    fn call(
        &mut self,
        func: Func,
        operands: &[Operand],
        piped: Option<Value>,
        dot: &Value,
    ) -> Result<Value, RenderError> {
        let mut arguments = Vec::with_capacity(operands.len() + 1);
        for operand in operands {
            arguments.push(self.operand(operand, dot)?.into_owned());
        }
        arguments.extend(piped);
        let value = func.call(arguments);
        // A loop that makes ever longer texts without printing them.
        if let Value::String(text) = &value {
            self.made += text.len();
            if self.made > MAX_VALUES || text.len() > MAX_OUTPUT {
                return Err(RenderError::TooLong);
            }
        }
        Ok(value)
    }

    fn operand<'v>(&mut self, operand: &'v Operand, dot: &'v Value) -> Result<Cow<'v, Value>, RenderError> {
        Ok(match operand {
            Operand::Constant(value) => Cow::Borrowed(value),
            Operand::Field(names) => Cow::Borrowed(value::field(dot, names)),
            Operand::Variable(name, fields) => {
                let found = self.variables.iter().rev().find(|(own, _)| own == name);
                let value = found.map(|(_, value)| value::field(value, fields).clone());
                Cow::Owned(value.unwrap_or_default())
            }
            Operand::Nested(pipeline, fields) => {
                let value = self.pipeline(pipeline, dot)?;
                Cow::Owned(value::field(&value, fields).clone())
            }
        })
    }
}
