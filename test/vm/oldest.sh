#!/bin/bash
# What CI asks of the oldest kernel: what no-egress.sh tells, which filters an interface with and without the way out, and
# that it takes every program in every setting of the verifier's budget.
set -e
test/vm/no-egress.sh
node node_modules/jest/bin/jest.js --ci --runInBand --forceExit --selectProjects kernel \
    --testPathPatterns verifier-budget --env=./test/vm/patient-environment.js
