// A worker whose script fails when it runs.

throw new Error('broken at its start')
