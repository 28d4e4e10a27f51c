//! Pieces → tree.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;

use super::ParseError;
use super::func::Func;
use super::lex::{Piece, Token};

/// Blocks and parentheses within each other at most.
const MAX_DEPTH: usize = 100;

/// A template with the named ones it defines.
#[derive(Clone, Debug, Default)]
pub(super) struct Tree {
    pub(super) root: Vec<Node>,
    pub(super) named: HashMap<String, Arc<[Node]>>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Node {
    Literal(String),
    /// Printed, unless it declares or assigns.
    Print(Pipeline),
    If(Pipeline, Vec<Node>, Vec<Node>),
    With(Pipeline, Vec<Node>, Vec<Node>),
    Range(Pipeline, Vec<Node>, Vec<Node>),
    Include(String, Option<Pipeline>),
    Break,
    Continue,
}

/// Commands, each of which gets the value of the one before as its last argument.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Pipeline {
    /// Variables that take the value; two in a `range`.
    pub(super) variables: Vec<String>,
    /// `=` instead of `:=`.
    pub(super) assigns: bool,
    pub(super) commands: Vec<Command>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Command {
    Value(Operand),
    Call(Func, Vec<Operand>),
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Operand {
    Constant(Value),
    /// A field of the dot.
    Field(Vec<String>),
    Variable(String, Vec<String>),
    Nested(Box<Pipeline>, Vec<String>),
}

pub(super) fn parse(pieces: Vec<Piece>) -> Result<Tree, ParseError> {
    let mut parser = Parser {
        pieces: pieces.into_iter(),
        line: 1,
        tree: Tree::default(),
        included: Vec::new(),
        variables: vec![String::new()],
        loops: 0,
    };
    let (root, end) = parser.block(0)?;
    if end != Ending::File {
        return parser.error(format!("`{}` without a beginning", end.name()));
    }
    let missing = parser.included.iter().find(|(name, _)| !parser.tree.named.contains_key(name));
    if let Some((name, line)) = missing {
        return Err(ParseError { line: *line, text: format!("the template {name:?} is not defined") });
    }
    Ok(Tree { root, ..parser.tree })
}

/// How a block ended.
#[derive(Clone, Debug, PartialEq)]
enum Ending {
    File,
    End,
    /// `else`, and what follows it: `if …` or `with …`.
    Else(Vec<Token>),
}

impl Ending {
    fn name(&self) -> &'static str {
        match self {
            Self::File => "",
            Self::End => "end",
            Self::Else(_) => "else",
        }
    }
}

struct Parser {
    pieces: std::vec::IntoIter<Piece>,
    line: usize,
    tree: Tree,
    included: Vec<(String, usize)>,
    /// Names in scope; the empty one is `$`.
    variables: Vec<String>,
    loops: usize,
}

impl Parser {
    fn error<T>(&self, text: impl Into<String>) -> Result<T, ParseError> {
        Err(ParseError { line: self.line, text: text.into() })
    }

    fn block(&mut self, depth: usize) -> Result<(Vec<Node>, Ending), ParseError> {
        if depth > MAX_DEPTH {
            return self.error("blocks are nested too deeply");
        }
        let mut nodes = Vec::new();
        while let Some(piece) = self.pieces.next() {
            let (tokens, line) = match piece {
                Piece::Literal(text) => {
                    nodes.push(Node::Literal(text));
                    continue;
                }
                Piece::Action(tokens, line) => (tokens, line),
            };
            self.line = line;
            let keyword = match tokens.first() {
                Some(Token::Word(word)) => word.as_str(),
                _ => "",
            };
            let rest = || tokens.get(1..).unwrap_or_default().to_vec();
            match keyword {
                "end" if tokens.len() == 1 => return Ok((nodes, Ending::End)),
                "else" => return Ok((nodes, Ending::Else(rest()))),
                "if" | "with" | "range" => nodes.push(self.branch(keyword, rest(), depth)?),
                "define" => self.define(rest(), depth)?,
                "block" => nodes.push(self.named_block(rest(), depth)?),
                "template" => nodes.push(self.include(rest())?),
                "break" | "continue" if tokens.len() == 1 => {
                    if self.loops == 0 {
                        return self.error(format!("`{keyword}` outside of `range`"));
                    }
                    nodes.push(if keyword == "break" { Node::Break } else { Node::Continue });
                }
                _ => nodes.push(Node::Print(self.pipeline(tokens, 1)?)),
            }
        }
        Ok((nodes, Ending::File))
    }

    /// From behind the keyword to the matching `end`.
    fn branch(&mut self, keyword: &str, tokens: Vec<Token>, depth: usize) -> Result<Node, ParseError> {
        let begun = self.line;
        let scope = self.variables.len();
        let pipeline = self.pipeline(tokens, if keyword == "range" { 2 } else { 1 })?;
        self.loops += usize::from(keyword == "range");
        let (then, end) = self.block(depth + 1)?;
        self.loops -= usize::from(keyword == "range");
        let other = match end {
            Ending::End => Vec::new(),
            Ending::File => return self.unended(keyword, begun),
            Ending::Else(chained) => match chained.split_first() {
                None => {
                    let (other, end) = self.block(depth + 1)?;
                    match end {
                        Ending::End => other,
                        Ending::File => return self.unended(keyword, begun),
                        Ending::Else(_) => return self.error("a second `else`"),
                    }
                }
                // `else if` ends with the `end` of the whole.
                Some((Token::Word(word), rest)) if word == keyword && keyword != "range" => {
                    if depth > MAX_DEPTH {
                        return self.error("blocks are nested too deeply");
                    }
                    vec![self.branch(keyword, rest.to_vec(), depth + 1)?]
                }
                Some((Token::Word(word), rest)) if word == "if" && keyword == "range" => {
                    vec![self.branch("if", rest.to_vec(), depth + 1)?]
                }
                Some(_) => return self.error(format!("`{keyword}` has an `else` that is not understood")),
            },
        };
        self.variables.truncate(scope);
        Ok(match keyword {
            "if" => Node::If(pipeline, then, other),
            "with" => Node::With(pipeline, then, other),
            _ => Node::Range(pipeline, then, other),
        })
    }

    fn unended<T>(&self, keyword: &str, line: usize) -> Result<T, ParseError> {
        Err(ParseError { line, text: format!("`{keyword}` without `end`") })
    }

    fn define(&mut self, tokens: Vec<Token>, depth: usize) -> Result<(), ParseError> {
        let [Token::Text(name)] = tokens.as_slice() else {
            return self.error("`define` needs a name in quotes");
        };
        if depth > 0 {
            return self.error("`define` within another block");
        }
        self.body(name.clone(), depth)
    }

    fn named_block(&mut self, tokens: Vec<Token>, depth: usize) -> Result<Node, ParseError> {
        let Some((Token::Text(name), rest)) = tokens.split_first() else {
            return self.error("`block` needs a name in quotes");
        };
        let data = self.pipeline(rest.to_vec(), 0)?;
        self.body(name.clone(), depth)?;
        Ok(Node::Include(name.clone(), Some(data)))
    }

    /// The body of a named template: it sees no variables but `$`, and no loop.
    fn body(&mut self, name: String, depth: usize) -> Result<(), ParseError> {
        let begun = self.line;
        let variables = std::mem::replace(&mut self.variables, vec![String::new()]);
        let loops = std::mem::take(&mut self.loops);
        let (nodes, end) = self.block(depth + 1)?;
        if end != Ending::End {
            return self.unended("define", begun);
        }
        (self.variables, self.loops) = (variables, loops);
        self.tree.named.insert(name, nodes.into());
        Ok(())
    }

    fn include(&mut self, tokens: Vec<Token>) -> Result<Node, ParseError> {
        let Some((Token::Text(name), rest)) = tokens.split_first() else {
            return self.error("`template` needs a name in quotes");
        };
        self.included.push((name.clone(), self.line));
        let data = match rest {
            [] => None,
            rest => Some(self.pipeline(rest.to_vec(), 0)?),
        };
        Ok(Node::Include(name.clone(), data))
    }

    /// A pipeline that declares at most so many variables.
    fn pipeline(&mut self, tokens: Vec<Token>, declares: usize) -> Result<Pipeline, ParseError> {
        let mut pipeline = Pipeline::default();
        let at = tokens.iter().position(|token| matches!(token, Token::Declare | Token::Assign));
        let mut tokens = tokens.as_slice();
        if let Some(at) = at {
            let names = tokens.get(..at).unwrap_or_default();
            pipeline.assigns = tokens.get(at) == Some(&Token::Assign);
            tokens = tokens.get(at + 1..).unwrap_or_default();
            pipeline.variables = self.declared(names, declares)?;
        }
        let mut at = 0;
        pipeline.commands = self.commands(tokens, &mut at, 0)?;
        if at < tokens.len() {
            return self.error("a `)` without a `(`");
        }
        if pipeline.assigns {
            let unknown = pipeline.variables.iter().find(|name| !self.variables.contains(name));
            if let Some(name) = unknown {
                return self.error(format!("the variable ${name} is not declared"));
            }
        } else {
            self.variables.extend(pipeline.variables.iter().cloned());
        }
        Ok(pipeline)
    }

    fn declared(&self, tokens: &[Token], most: usize) -> Result<Vec<String>, ParseError> {
        let mut names = Vec::new();
        for (n, token) in tokens.iter().enumerate() {
            match token {
                Token::Variable(name, fields)
                    if n.is_multiple_of(2) && fields.is_empty() && !name.is_empty() =>
                {
                    names.push(name.clone());
                }
                Token::Comma if !n.is_multiple_of(2) => {}
                _ => return self.error("only variables can be declared or assigned"),
            }
        }
        if names.is_empty() || names.len() > most || tokens.len().is_multiple_of(2) {
            return self.error("so many variables cannot be declared here");
        }
        Ok(names)
    }

    /// Commands from `at` up to the end or to a closing parenthesis, which stays.
    fn commands(&self, tokens: &[Token], at: &mut usize, depth: usize) -> Result<Vec<Command>, ParseError> {
        if depth > MAX_DEPTH {
            return self.error("parentheses are nested too deeply");
        }
        let mut commands = Vec::new();
        loop {
            commands.push(self.command(tokens, at, commands.is_empty(), depth)?);
            match tokens.get(*at) {
                Some(Token::Pipe) => *at += 1,
                _ => return Ok(commands),
            }
        }
    }

    /// A value, or a function with its arguments, up to a pipe, a closing parenthesis or the end.
    fn command(
        &self,
        tokens: &[Token],
        at: &mut usize,
        first: bool,
        depth: usize,
    ) -> Result<Command, ParseError> {
        let mut func = None;
        let mut operands = Vec::new();
        let begun = *at;
        while let Some(token) = tokens.get(*at) {
            let leads = *at == begun;
            *at += 1;
            operands.push(match token {
                Token::Pipe | Token::Close(_) => {
                    *at -= 1;
                    break;
                }
                Token::Word(word) => match (constant(word), Func::named(word)) {
                    (Some(value), _) => Operand::Constant(value),
                    (None, None) => return self.error(format!("there is no function `{word}`")),
                    (None, found) if leads => {
                        func = found;
                        continue;
                    }
                    (None, Some(_)) => {
                        return self.error(format!("the function `{word}` must stand in parentheses"));
                    }
                },
                Token::Field(names) => Operand::Field(names.clone()),
                Token::Variable(name, _) if !self.variables.contains(name) => {
                    return self.error(format!("the variable ${name} is not declared"));
                }
                Token::Variable(name, fields) => Operand::Variable(name.clone(), fields.clone()),
                Token::Text(text) => Operand::Constant(Value::String(text.clone())),
                Token::Number(number) => Operand::Constant(Value::Number(number.clone())),
                Token::Open => {
                    let inner = self.commands(tokens, at, depth + 1)?;
                    let Some(Token::Close(fields)) = tokens.get(*at) else {
                        return self.error("a `(` without a `)`");
                    };
                    *at += 1;
                    let nested = Pipeline { commands: inner, ..Pipeline::default() };
                    Operand::Nested(Box::new(nested), fields.clone())
                }
                Token::Comma | Token::Declare | Token::Assign => {
                    return self.error("a sign that does not belong here");
                }
            });
        }
        // What comes through the pipe is one argument more.
        let piped = usize::from(!first);
        match func {
            Some(func) if func.takes(operands.len() + piped) => Ok(Command::Call(func, operands)),
            Some(func) => self.error(format!("`{}` with a wrong number of arguments", func.name())),
            None if operands.is_empty() => self.error("an action without a value"),
            None if operands.len() == 1 && first => Ok(Command::Value(operands.remove(0))),
            None => self.error("a value is no function and takes no arguments"),
        }
    }
}

fn constant(word: &str) -> Option<Value> {
    match word {
        "true" => Some(Value::Bool(true)),
        "false" => Some(Value::Bool(false)),
        "nil" => Some(Value::Null),
        _ => None,
    }
}
