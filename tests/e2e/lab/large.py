"""A snapshot of any size whose numbers are known: the root refers to every object, and every object
to the same hundred, so that none holds another. Most of it are references, then strings; written
piece by piece, in the form V8 writes."""

NODE_FIELDS = ("type", "name", "id", "self_size", "edge_count", "trace_node_id", "detachedness")
EACH = 99  # references of an object
PIECE = 1 << 20
TEXT = 1 << 20  # bytes of a string
SELF = 24
HEAD = ('{"snapshot":{"meta":{"node_fields":["%s"],"node_types":[["synthetic","object"],"string",'
        '"number","number","number","number","number"],"edge_fields":["type","name_or_index",'
        '"to_node"],"edge_types":[["element","property"],"string_or_number","node"]},'
        '"node_count":%d,"edge_count":%d},\n')


class Large:
    def __init__(self, path, size):
        self.path = path
        self.texts = max(1, size // 10 // TEXT)
        # A reference of an object is 13 bytes, one of the root and an object itself 40.
        self.objects = max(200, (size - self.texts * TEXT) // (EACH * 13 + 40))
        self.edges = self.objects * (EACH + 1)
        with open(path, "wb", buffering=PIECE) as self.out:
            self._write()

    def _write(self):
        put = self.out.write
        put((HEAD % ('","'.join(NODE_FIELDS), self.objects + 1, self.edges)).encode())
        put(b'"nodes":[0,0,1,0,%d,0,0\n' % self.objects)
        # The name is the last string, behind all of the long ones.
        row = b",1,%d,%%d,%d,%d,0,0\n" % (self.texts + 2, SELF, EACH)
        for first in range(0, self.objects, 10000):
            put(b"".join(row % (2 * i + 3) for i in range(first,
                                                         min(first + 10000, self.objects))))
        put(b'],\n"edges":[')
        self.edges_at = self.out.tell()
        put(b",".join(b"0,%d,%d\n" % (i, (i + 1) * len(NODE_FIELDS)) for i in range(self.objects)))
        each = b"".join(b",1,1,%07d\n" % (i % 100 * 7 + 7) for i in range(EACH))
        many = PIECE // len(each)
        for _ in range(self.objects // many):
            put(each * many)
        put(each * (self.objects % many))
        self.edges_end = self.out.tell()
        put(b'],\n"strings":["(root)","way"')
        for i in range(self.texts):
            put(b',\n"%08d' % i + b"x" * (TEXT - 8) + b'"')
        put(b',\n"Thing"]}\n')
        self.size = self.out.tell()
