// SPDX-License-Identifier: Apache-2.0
#include "runner/init/scaffold.h"

#include "runner/init/init_files.h"

#define FILE_OF(name)                                                                              \
    { (const char *)name, sizeof name }

const as_scaffold_file as_scaffold_files[] = {
    {"evals/suite.yaml", "the suite: start here", FILE_OF(init_suite_yaml)},
    {"evals/cases.jsonl", "ten golden cases", FILE_OF(init_cases_jsonl)},
    {"evals/answers.jsonl", "recorded answers, until a model is connected",
     FILE_OF(init_answers_jsonl)},
    {".github/workflows/assay.yml", "GitHub Actions", FILE_OF(init_github_yml)},
    {".gitlab-ci.yml", "GitLab", FILE_OF(init_gitlab_yml)},
    {"Jenkinsfile", "Jenkins", FILE_OF(init_Jenkinsfile)},
    {"deploy/assay-cronjob.yaml", "Kubernetes, every night", FILE_OF(init_cronjob_yaml)},
    {NULL, NULL, {NULL, 0}},
};
