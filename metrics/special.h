// SPDX-License-Identifier: Apache-2.0
// special.h - the distributions that intervals and tests are made of: normal, Student t, binomial,
// beta. Relative error about 1e-12 in the body and the tails. Pure functions, any thread.
#ifndef AS_SPECIAL_H
#define AS_SPECIAL_H

double as_special_lgamma(double x);                   // x > 0
double as_special_beta(double a, double b, double x); // regularised incomplete beta I_x(a, b)
double as_special_beta_quantile(double a, double b, double p);

double as_special_normal(double z); // P(Z <= z)
double as_special_normal_quantile(double p);

double as_special_t(double t, double df); // P(T <= t)
double as_special_t_quantile(double p, double df);

double as_special_binomial_pmf(double k, double n, double p);   // P(X = k)
double as_special_binomial_upper(double k, double n, double p); // P(X >= k)

#endif
