// SPDX-License-Identifier: Apache-2.0
// All of Boost.Asio that is not a template, in one translation unit.
#include <boost/asio/impl/src.hpp>
#include <boost/asio/ssl/impl/src.hpp>
