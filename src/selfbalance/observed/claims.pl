# Asks the network, by raw frames on one interface: who claims each VIP, which MAC is each peer's, and,
# on the node that holds the VIPs there, whether each peer answers for them itself: by a frame to its
# MAC or, with wrapped=, in a tunnel to its own addresses as the director sends it, which may be routed.
#   perl claims.pl INTERFACE self=ADDRESS... vip=ADDRESS... peer=NAME=ADDRESS... port=NUMBER...
#       [wrapped=ipip|gue:PORT real=NAME=ADDRESS...]
# $addresses is what `ip -o addr show` has printed.
# Prints lines: claim VIP MAC | peer NAME ADDRESS MAC | answer VIP PORT NAME MAC
# Perl, because its base package is on every Debian and needs nothing else to speak raw frames.
use strict;
use warnings;
use Socket qw(AF_INET AF_INET6 SOCK_DGRAM SOCK_RAW inet_pton inet_ntop pack_sockaddr_in pack_sockaddr_in6);

my $interface = shift @ARGV;
my (%self, @vips, %peers, @ports, %reals);
my $wrapped = '';
for (@ARGV) {
    my ($key, $value) = split /=/, $_, 2;
    if    ($key eq 'self') { $self{ family($value) } = $value }
    elsif ($key eq 'vip')  { push @vips, $value }
    elsif ($key eq 'port') { push @ports, $value }
    elsif ($key eq 'wrapped') { $wrapped = $value }
    elsif ($key eq 'real') { my ($name, $address) = split /=/, $value, 2; $reals{$name}{ family($address) } = $address }
    elsif ($key eq 'peer') { my ($name, $address) = split /=/, $value, 2; $peers{$address} = $name }
}

sub family { $_[0] =~ /:/ ? 6 : 4 }
sub binary { inet_pton(family($_[0]) == 6 ? AF_INET6 : AF_INET, $_[0]) }
sub text   { inet_ntop(length $_[0] == 16 ? AF_INET6 : AF_INET, $_[0]) }
sub colons { join ':', unpack '(H2)6', $_[0] }
sub slurp  { open my $file, '<', $_[0] or die "$_[0]: $!\n"; my $line = <$file>; chomp $line; $line }

my $index = slurp("/sys/class/net/$interface/ifindex");
my $mac   = pack 'H12', join '', split /:/, slurp("/sys/class/net/$interface/address");

# packet(7): AF_PACKET is 17, ETH_P_ALL 3; struct sockaddr_ll.
socket my $wire, 17, SOCK_RAW, unpack('S', pack 'n', 3) or die "socket: $!\n";
bind $wire, pack 'S n i S C C a8', 17, 3, $index, 0, 0, 0, '' or die "bind: $!\n";

sub send_frame {
    my ($to, $type, $payload) = @_;
    send $wire, pack('a6 a6 n', $to, $mac, $type) . $payload, 0,
        pack 'S n i S C C a8', 17, $type, $index, 0, 0, 6, $to;
}

# RFC 1071.
sub checksum {
    my $data = shift;
    $data .= "\0" if length($data) % 2;
    my $sum = 0;
    $sum += $_ for unpack 'n*', $data;
    $sum = ($sum & 0xffff) + ($sum >> 16) while $sum >> 16;
    return ~$sum & 0xffff;
}

sub pseudo_header {
    my ($from, $to, $length, $protocol) = @_;
    return length $from == 4
        ? $from . $to . pack('C C n', 0, $protocol, $length)
        : $from . $to . pack('N N', $length, $protocol);
}

sub ip_packet {
    my ($from, $to, $protocol, $hops, $payload) = @_;
    return pack('N n C C a16 a16', 0x60000000, length $payload, $protocol, $hops, $from, $to) . $payload
        if length $from == 16;
    my $head = pack 'C C n n n C C n a4 a4', 0x45, 0, 20 + length $payload, 0, 0, $hops,
        $protocol, 0, $from, $to;
    substr $head, 10, 2, pack 'n', checksum($head);
    return $head . $payload;
}

sub send_ip {
    my ($mac_to, @packet) = @_;
    send_frame($mac_to, length $packet[0] == 4 ? 0x0800 : 0x86dd, ip_packet(@packet));
}

# IP in IP (RFC 2003, RFC 2473), or the same behind GUE's bare header. The kernel routes it.
sub send_wrapped {
    my ($address, $packet) = @_;
    my ($family, $inner)  = family($address) == 6 ? (AF_INET6, 41) : (AF_INET, 4);
    my ($gue)             = $wrapped =~ /^gue:(\d+)$/;
    my ($type, $protocol) = $gue ? (SOCK_DGRAM, 17) : (SOCK_RAW, $inner);
    my $sockaddr          = $family == AF_INET ? \&pack_sockaddr_in : \&pack_sockaddr_in6;
    $packet = pack('C C n', 0, $inner, 0) . $packet if $gue;
    socket my $tunnel, $family, $type, $protocol or die "socket: $!\n";
    send $tunnel, $packet, 0, $sockaddr->($gue // 0, binary($address));
}

# Who has this address? ARP probe with sender 0.0.0.0 (RFC 5227, 2.1), or a neighbour solicitation
# (RFC 4861, 4.3) from this node's own address.
sub ask {
    my $address = binary($_[0]);
    if (length $address == 4) {
        send_frame("\xff" x 6, 0x0806,
            pack 'n n C C n a6 a4 a6 a4', 1, 0x0800, 6, 4, 1, $mac, "\0" x 4, "\0" x 6, $address);
        return;
    }
    return unless $self{6};
    my $from = binary($self{6});
    my $to   = pack('H26', 'ff0200000000000000000001ff') . substr $address, 13;
    my $body = pack 'C C n N a16 C C a6', 135, 0, 0, 0, $address, 1, 1, $mac;
    substr $body, 2, 2, pack 'n', checksum(pseudo_header($from, $to, length $body, 58) . $body);
    send_ip("\x33\x33" . substr($to, 12), $from, $to, 58, 255, $body);
}

my (%claims, %mac_of, %mac_of_name, %answers);

sub heard_address {
    my ($address, $from) = (text($_[0]), $_[1]);
    return if $from eq $mac;
    $claims{$address}{ colons($from) } = 1 if grep { $_ eq $address } @vips;
    $mac_of{$address} = $mac_of_name{ $peers{$address} } = $from if $peers{$address};
}

# To a realserver by its name.
sub send_tcp {
    my ($name, $vip, $port, $from_port, $sequence, $flags) = @_;
    my ($from, $to) = (binary($self{ family($vip) }), binary($vip));
    my $segment = pack 'n n N N C C n n n', $from_port, $port, $sequence, 0, 0x50, $flags, 1024, 0, 0;
    substr $segment, 16, 2,
        pack 'n', checksum(pseudo_header($from, $to, length $segment, 6) . $segment);
    my @packet = ($from, $to, 6, 64, $segment);
    if   ($wrapped) { send_wrapped($reals{$name}{ family($vip) }, ip_packet(@packet)) }
    else            { send_ip($mac_of_name{$name}, @packet) }
}

my %asked;    # our port => [vip, port, realserver's name]

sub heard_segment {
    my ($from_mac, $from, $segment) = @_;
    return if length $segment < 20;
    my ($from_port, $to_port, undef, undef, undef, $flags) = unpack 'n n N N C C', $segment;
    my $question = $asked{$to_port} or return;
    my ($vip, $port, $name) = @$question;
    return unless $flags == 0x12 && $from_port == $port && text($from) eq $vip;
    $answers{"$vip $port $name"} = colons($from_mac);
    send_tcp($name, $vip, $port, $to_port, 1, 0x04);    # leave no half-open connection
}

sub hear {
    my $frame = shift;
    my (undef, $from, $type) = unpack 'a6 a6 n', $frame;
    return if $from eq $mac;
    my $body = substr $frame, 14;
    if ($type == 0x0806 && length $body >= 28) {
        my (undef, undef, undef, undef, $kind, $sender, $address) = unpack 'n n C C n a6 a4', $body;
        heard_address($address, $sender) if $kind == 2;
    } elsif ($type == 0x0800 && length $body >= 40 && ord(substr $body, 9, 1) == 6) {
        heard_segment($from, substr($body, 12, 4), substr $body, 4 * (ord($body) & 15));
    } elsif ($type == 0x86dd && length $body >= 60) {
        my $protocol = ord substr $body, 6, 1;
        heard_segment($from, substr($body, 8, 16), substr $body, 40) if $protocol == 6;
        heard_address(substr($body, 48, 16), $from)
            if $protocol == 58 && length $body >= 64 && ord(substr $body, 40, 1) == 136;
    }
}

# Listen for that many seconds; stop early when told to, never before `$least` seconds.
sub listen_for {
    my ($seconds, $least, $enough) = @_;
    my $left = $seconds;
    while ($left > 0) {
        last if $seconds - $left >= $least && $enough->();
        my $slice = $left < 0.05 ? $left : 0.05;
        my $ready = '';
        vec($ready, fileno $wire, 1) = 1;
        my ($found, $rest) = select $ready, undef, undef, $slice;
        $left -= $found ? $slice - $rest : $slice;
        hear($_) for map { my $f; defined recv($wire, $f, 2048, 0) ? $f : () } $found ? 1 : ();
    }
}

my $here = join "\n", grep { /^\d+: \Q$interface\E\s/ } split /\n/, $ENV{addresses} // '';
my @held = grep { index($here, " $_/") >= 0 } @vips;

# Twice, so that one lost frame is no finding; then for as long as a slow answer may take.
for my $round (1, 2) {
    ask($_) for @vips, keys %peers;
    listen_for(0.15, 0.15, sub { 0 });
}
listen_for(0.7, 0, sub {
    my @open = grep { my $v = $_; !$claims{$v} && !grep { $_ eq $v } @held } @vips;
    return !@open && keys %mac_of == keys %peers;
});

my $next_port = 20000 + int rand 20000;
my @questions = map { my $vip = $_; map { my $port = $_; map { [$vip, $port, $_] }
    $wrapped ? grep { $reals{$_}{ family($vip) } } keys %reals : keys %mac_of_name } @ports }
    grep { $self{ family($_) } } @held;
for my $try (1 .. 3) {
    for my $question (grep { !$answers{"$_->[0] $_->[1] $_->[2]"} } @questions) {
        $asked{ ++$next_port } = $question;
        send_tcp($question->[2], $question->[0], $question->[1], $next_port, 0, 0x02);
    }
    listen_for(0.3, 0, sub { keys %answers == @questions });
}

for my $vip (sort keys %claims) { print "claim $vip $_\n" for sort keys %{ $claims{$vip} } }
print "peer $peers{$_} $_ ", colons($mac_of{$_}), "\n" for sort keys %mac_of;
print "answer $_ $answers{$_}\n" for sort keys %answers;
