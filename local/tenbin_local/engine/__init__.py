"""The simulated engine: vLLM's interface and timing without a GPU.

    arguments  command line, a subset of `vllm serve` and a few flags of its own
    protocol   OpenAI requests in, checked as vLLM checks them; errors out
    answers    OpenAI responses and server-sent events out
    driver     the replica of `tenbin_planner.model.stepwise` in real time
    metrics    the `vllm:` metrics page
    server     routes, draining and stopping

Start it with `python -m tenbin_local.engine MODEL --profile NAME`. Token counts follow one rule: a prompt of token ids
has as many tokens as ids, a text has one token for each 4 characters (rounded up, at least 1); the texts of a chat are
counted together and the chat template adds nothing. Each output token is a text of 4 characters.
"""
