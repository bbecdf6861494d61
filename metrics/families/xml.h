// SPDX-License-Identifier: Apache-2.0
// xml.h - whether a text is well-formed XML 1.0, or holds an element that is, and which elements
// stand in it. No DTD is read: a DOCTYPE with an internal subset is refused, entities are the five
// of XML and characters by number.
#ifndef AS_XML_H
#define AS_XML_H

#include "harness/base/str.h"

enum { AS_XML_DEPTH_MAX = 256 };

// `paths` are elements that must be there, "root.child.leaf", each somewhere.
bool as_xml_is(as_str text, const as_str *paths, size_t count);
bool as_xml_contains(as_str text, const as_str *paths, size_t count); // in one element of the text

#endif
