/* What the tests of S3's documents have in common. */

#ifndef S3XML_H
#define S3XML_H

#define XML         "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
#define XMLNS       " xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\""

#define KEY_64      KEY_32 KEY_32
#define KEY_32      "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk"
#define KEY_256     KEY_64 KEY_64 KEY_64 KEY_64
#define KEY_249                                                              \
    KEY_64 KEY_64 KEY_64 KEY_32 "kkkkkkkkkkkkkkkkkkkkkkkkk"
#define KEY_250     KEY_249 "k"
#define KEY_1024    KEY_256 KEY_256 KEY_256 KEY_256
#define TEXT_4096   KEY_1024 KEY_1024 KEY_1024 KEY_1024

#define LAUGHS                                                               \
    "<!DOCTYPE r [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;\">]>"
#define EXTERNAL                                                             \
    "<!DOCTYPE r [<!ENTITY a SYSTEM \"file:///etc/passwd\">]>"


#endif
